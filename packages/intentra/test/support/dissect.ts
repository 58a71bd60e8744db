/** Captures of datagrams, and what tshark reads in them with the dissector. */
import { assert } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("../../../../scripts/dissector/intentra.lua", import.meta.url))
const program = process.env.TSHARK ?? "tshark"

/** Whether there is a tshark that runs dissectors in Lua. */
export const present = /\bwith Lua\b/.test(spawnSync(program, ["--version"], { encoding: "utf8" }).stdout ?? "")
if (!present) console.log("no tshark with Lua is installed: the dissector's tests are skipped")

export interface Captured {
  readonly at: number
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
}

export interface KeyLine {
  readonly connId: number
  readonly epoch: number
  readonly key: Uint8Array
}

export const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex")

const ipv4 = (host: string): ReadonlyArray<number> => host.split(".").map(Number)

/** A capture file: the classic format, microseconds, link type RAW (IPv4 without a link header). */
const pcap = (datagrams: ReadonlyArray<Captured>): Buffer => {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4, 0)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(65_535, 16)
  head.writeUInt32LE(101, 20)
  const parts: Array<Uint8Array> = [head]
  for (const { at, bytes, from, to } of datagrams) {
    const [[sourceHost, sourcePort], [targetHost, targetPort]] = [from.split(":"), to.split(":")]
    const length = 28 + bytes.length
    const record = Buffer.alloc(16 + 28)
    record.writeUInt32LE(Math.floor(at / 1000), 0)
    record.writeUInt32LE(Math.floor(at % 1000) * 1000, 4)
    record.writeUInt32LE(length, 8)
    record.writeUInt32LE(length, 12)
    const ip = record.subarray(16)
    ip[0] = 0x45
    ip.writeUInt16BE(length, 2)
    ip[8] = 64
    ip[9] = 17
    ip.set(ipv4(sourceHost), 12)
    ip.set(ipv4(targetHost), 16)
    let sum = 0
    for (let i = 0; i < 20; i += 2) sum += ip.readUInt16BE(i)
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
    ip.writeUInt16BE(0xffff - sum, 10)
    ip.writeUInt16BE(Number(sourcePort), 20)
    ip.writeUInt16BE(Number(targetPort), 22)
    ip.writeUInt16BE(8 + bytes.length, 24)
    parts.push(record, bytes)
  }
  return Buffer.concat(parts)
}

export interface Tree {
  readonly [field: string]: string | Tree | ReadonlyArray<string | Tree>
}

/** What tshark says of each datagram; a dissector that throws fails the test. */
export const dissect = (datagrams: ReadonlyArray<Captured>, keyLog: ReadonlyArray<KeyLine>): ReadonlyArray<Tree> => {
  const folder = mkdtempSync(join(tmpdir(), "intentra-"))
  try {
    const [capture, keys] = [join(folder, "capture.pcap"), join(folder, "keys.txt")]
    writeFileSync(capture, pcap(datagrams))
    writeFileSync(
      keys,
      keyLog.map((line) => `${line.connId.toString(16).padStart(8, "0")} ${line.epoch} ${hex(line.key)}\n`).join("")
    )
    const reading = ["-n", "-r", capture, "-T", "json", "--no-duplicate-keys", "-X", `lua_script:${script}`]
    const output = execFileSync(
      program,
      reading.concat("-d", "udp.port==9000,intentra", "-o", `intentra.keylog:${keys}`),
      { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "ignore"] }
    )
    assert.deepStrictEqual(output.match(/Lua Error[^"]*/g) ?? [], [])
    const packets = JSON.parse(output) as ReadonlyArray<{ _source: { layers: Tree } }>
    assert.strictEqual(packets.length, datagrams.length)
    return packets.map((one) => one._source.layers)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const TEXTS = new Set(["text"])
const BYTES = new Set(
  "reserved nonce cookie noise ephemeral static padding mac1 payload body path_token ranges".split(" ")
)

/** The fields of a tree that begin with `prefix`, those of its subtrees included, in the form of the expected ones. */
const fieldsOf = (tree: Tree, prefix: string): { readonly [name: string]: unknown } => {
  const found: { [name: string]: unknown } = {}
  for (const [name, value] of Object.entries(tree)) {
    if (name.startsWith("_ws.")) found[name] = value
    if (!name.startsWith(prefix)) continue
    const short = name.slice(prefix.length)
    if (short.endsWith("_tree")) Object.assign(found, fieldsOf(value as Tree, prefix))
    else if (short.includes(".") || short === "frame" || typeof value !== "string") continue
    else if (TEXTS.has(short)) found[short] = value
    else found[short] = BYTES.has(short) && prefix !== "intentra." ? value.replaceAll(":", "") : Number(value)
  }
  return found
}

const listOf = (value: Tree[string] | undefined): ReadonlyArray<Tree> =>
  value === undefined ? [] : (Array.isArray(value) ? value : [value]) as ReadonlyArray<Tree>

export const dissected = (layers: Tree) => {
  const tree = layers["intentra"] as Tree
  const { ciphertext, tag, ...header } = fieldsOf(tree, "intentra.")
  const bytesOf = (name: string) => String(tree[`intentra.${name}`]).replaceAll(":", "")
  const frames = listOf(tree["intentra.frame"]).map((frame) => fieldsOf(frame, "intentra.frame."))
  return ciphertext === undefined && tag === undefined
    ? { header, handshake: fieldsOf(tree, "intentra.handshake."), frames }
    : { header, sealed: { ciphertext: bytesOf("ciphertext"), tag: bytesOf("tag") }, frames }
}

/** The names of the dissector's warnings about a packet, anywhere in its tree. */
export const flagsOf = (tree: Tree): ReadonlyArray<string> =>
  Object.entries(tree).flatMap(([name, value]) => {
    if (typeof value === "string") return []
    const trees = listOf(value).filter((one) => typeof one !== "string")
    if (name !== "_ws.expert") return trees.flatMap(flagsOf)
    return trees.flatMap((one) =>
      Object.keys(one).filter((key) => !key.startsWith("_ws.")).map((key) => key.replace("intentra.", ""))
    )
  })
