/** Times primitives: what a packet and what a handshake cost without a transport around them. */
import { openPackets, sealPackets } from "@intentra/crypto"
import type { AeadAlgorithm, AeadKey, CryptoBackend } from "@intentra/crypto"
import { unsafeMake } from "@intentra/noise"
import { randomFillSync } from "node:crypto"
import { backend, backends } from "../backends.js"
import { CpuTime } from "../usage.js"

export interface Cost {
  readonly nsSeal: number
  readonly nsOpen: number
  readonly batchNsSeal: number
  readonly batchNsOpen: number
}

export interface Measure {
  readonly backend: string
  readonly algorithm: AeadAlgorithm
  readonly bytes: number
  readonly seconds: number
}

export interface HandshakeMeasure {
  readonly backend: string
  readonly pattern: "XX" | "IK"
  readonly seconds: number
}

const AAD_BYTES = 16
const TAG_BYTES = 16
/** Calls between two looks at the clock, and packets of a batch. */
const STRIDE = 64

/** Nanoseconds of CPU time of each of `per` things that a call does, of many calls. */
const timed = (seconds: number, per: number, call: (index: number) => void): number => {
  const end = performance.now() + seconds * 1000
  const cpu = new CpuTime()
  let calls = 0
  do {
    for (let i = per; i <= STRIDE; i += per) call(calls++)
  } while (performance.now() < end)
  return cpu.ns / (calls * per)
}

const expect = (what: string, seen: number, expected: number): void => {
  if (seen !== expected) throw new Error(`${what} gave ${seen} instead of ${expected}`)
}

/** One by one, in arrays of its own. */
const oneByOne = (key: AeadKey, bytes: number, seconds: number): Pick<Cost, "nsSeal" | "nsOpen"> => {
  const nonce = new Uint8Array(12)
  const aad = new Uint8Array(AAD_BYTES)
  const plaintext = randomFillSync(new Uint8Array(bytes))
  const sealed = new Uint8Array(bytes + TAG_BYTES)
  const opened = new Uint8Array(bytes)
  const seal = (index: number): void => {
    nonce[8] = index >>> 24
    nonce[9] = index >>> 16
    nonce[10] = index >>> 8
    nonce[11] = index
    key.seal(nonce, aad, plaintext, sealed)
  }
  let last = 0
  const open = (): void => {
    last = key.open(nonce, aad, sealed, opened)
  }
  timed(seconds / 4, 1, seal)
  const nsSeal = timed(seconds, 1, seal)
  timed(seconds / 4, 1, open)
  const nsOpen = timed(seconds, 1, open)
  expect("open", last, bytes)
  return { nsSeal, nsOpen }
}

/** Many in one arena with one call, as a packet path has them. */
const inBatches = (key: AeadKey, bytes: number, seconds: number): Pick<Cost, "batchNsSeal" | "batchNsOpen"> => {
  const length = AAD_BYTES + bytes + TAG_BYTES
  const arena = randomFillSync(new Uint8Array(STRIDE * length))
  const out = new Uint8Array(STRIDE * bytes)
  const offsets = Uint32Array.from({ length: STRIDE }, (_, i) => i * length)
  const outOffsets = Uint32Array.from({ length: STRIDE }, (_, i) => i * bytes)
  const lengths = new Uint32Array(STRIDE).fill(length)
  const counters = new Float64Array(STRIDE)
  const results = new Int32Array(STRIDE)
  let counter = 0
  let count = 0
  const seal = (): void => {
    count = sealPackets(key, arena, offsets, lengths, 0, STRIDE, AAD_BYTES, counter)
    counter += STRIDE
  }
  const open = (): void => {
    count = openPackets(key, arena, offsets, lengths, 0, STRIDE, AAD_BYTES, counters, out, outOffsets, results)
  }
  timed(seconds / 4, STRIDE, seal)
  const batchNsSeal = timed(seconds, STRIDE, seal)
  expect("sealPackets", count, STRIDE)
  for (let i = 0; i < STRIDE; i++) counters[i] = counter - STRIDE + i
  timed(seconds / 4, STRIDE, open)
  const batchNsOpen = timed(seconds, STRIDE, open)
  expect("openPackets", count, STRIDE)
  return { batchNsSeal, batchNsOpen }
}

const fill = (out: Uint8Array): void => {
  randomFillSync(out)
}

/** Both ends of a handshake, to the keys. */
const shakeHands = (crypto: CryptoBackend, pattern: "XX" | "IK") => {
  const ours = crypto.x25519.generate(fill)
  const theirs = crypto.x25519.generate(fill)
  const common = { protocolName: `Noise_${pattern}_25519_AESGCM_SHA256`, crypto }
  const empty = new Uint8Array(0)
  return (): void => {
    const initiator = unsafeMake({
      ...common,
      role: "initiator",
      staticKey: ours.secretKey,
      staticPublicKey: ours.publicKey,
      remoteStatic: pattern === "IK" ? theirs.publicKey : undefined
    })
    const responder = unsafeMake({
      ...common,
      role: "responder",
      staticKey: theirs.secretKey,
      staticPublicKey: theirs.publicKey
    })
    responder.readMessage(initiator.writeMessage(empty))
    initiator.readMessage(responder.writeMessage(empty))
    if (!initiator.complete) responder.readMessage(initiator.writeMessage(empty))
    initiator.splitKeys()
    responder.splitKeys()
  }
}

export const make = () => ({
  backends: (): ReadonlyArray<string> => backends().map(({ name }) => name),
  aead: ({ algorithm, backend: name, bytes, seconds }: Measure): Cost => {
    const key = backend(name).aead.makeKey(algorithm, randomFillSync(new Uint8Array(32)))
    // two ways, two directions, each with its warm-up
    const each = seconds / 5
    return { ...oneByOne(key, bytes, each), ...inBatches(key, bytes, each) }
  },
  /** Microseconds of both ends of a handshake. */
  handshake: ({ backend: name, pattern, seconds }: HandshakeMeasure): number => {
    const shake = shakeHands(backend(name), pattern)
    timed(seconds / 4, STRIDE, shake)
    return timed(seconds, STRIDE, shake) * STRIDE / 1000
  }
})
