/** What the doctor looks at. */
import { openSsl } from "@intentra/crypto"
import { FfiError, LinuxSocket } from "@intentra/ffi"
import { Address, UdpSocket } from "@intentra/udp"
import type { UdpSocketShape } from "@intentra/udp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { existsSync, readFileSync } from "node:fs"
import * as Os from "node:os"

export interface Buffers {
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
}

/** Works, or says why not. */
export type Probe<A> = { readonly ok: true; readonly value: A } | {
  readonly ok: false
  readonly why: string
  readonly reason: string
}

export interface Facts {
  readonly platform: string
  readonly release: string
  readonly node: string
  /** A socket of node:dgram that hears itself, with its buffers. */
  readonly portable: Probe<Buffers>
  /** A batched socket that hears itself. */
  readonly batched: Probe<Buffers>
  /** Native calls for sockets, and what the kernel is able to. */
  readonly native: Probe<{ readonly segmentation: boolean; readonly coalescing: boolean; readonly dropCounts: boolean }>
  readonly openSsl: Probe<string>
  /** Bytes; undefined where the kernel does not say. */
  readonly rmemMax: number | undefined
  readonly wmemMax: number | undefined
  /** Open files that this process may have. */
  readonly openFiles: number | undefined
  readonly firewalls: ReadonlyArray<"ufw" | "firewalld" | "nftables">
}

const ECHO_BYTES = 200
const ECHO_MS = 1000

/** A datagram of its own comes back to a socket. */
const hearsItself = (socket: UdpSocketShape): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const { addresses, localAddress, outbox } = socket
    const bytes = new Uint8Array(Address.ADDRESS_BYTES)
    Address.encode(localAddress, bytes, 0)
    const timer = setTimeout(() => resume(Effect.succeed(false)), ECHO_MS)
    socket.setHandler(() => {
      clearTimeout(timer)
      resume(Effect.succeed(true))
    })
    const at = outbox.reserve(ECHO_BYTES)
    if (at < 0) return
    outbox.arena.fill(1, at, at + ECHO_BYTES)
    outbox.commit(ECHO_BYTES, addresses.acquire(bytes, 0))
    socket.send()
  })

const failed = (error: unknown): Probe<never> => {
  const cause = error instanceof Error && error.cause instanceof FfiError ? error.cause : error
  return {
    ok: false,
    why: cause instanceof Error ? cause.message : String(cause),
    reason: cause instanceof FfiError ? cause.reason : "Failed"
  }
}

const socketProbe = (layer: Layer.Layer<UdpSocket, unknown>): Effect.Effect<Probe<Buffers>> =>
  Effect.gen(function*() {
    const socket = Context.get(yield* Layer.build(layer), UdpSocket)
    return (yield* hearsItself(socket))
      ? { ok: true as const, value: socket.granted }
      : { ok: false as const, why: "a socket on 127.0.0.1 does not hear its own datagrams", reason: "Silent" }
  }).pipe(
    Effect.scoped,
    Effect.either,
    Effect.map(Either.match({ onLeft: failed, onRight: (found): Probe<Buffers> => found }))
  )

const nativeProbe = (): Facts["native"] => {
  const library = LinuxSocket.load()
  if (library instanceof FfiError) return failed(library)
  const { coalescing, dropCounts, segmentation } = library
  return { ok: true, value: { coalescing, dropCounts, segmentation } }
}

const openSslProbe = (): Facts["openSsl"] => {
  const backend = openSsl()
  return backend instanceof FfiError ? failed(backend) : { ok: true, value: process.versions.openssl ?? "unknown" }
}

const textOf = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const numberOf = (path: string): number | undefined => {
  const value = Number(textOf(path)?.trim() || NaN)
  return Number.isFinite(value) ? value : undefined
}

const openFiles = (): number | undefined => {
  const match = /^Max open files\s+(\d+|unlimited)/m.exec(textOf("/proc/self/limits") ?? "")
  return match === null ? undefined : match[1] === "unlimited" ? Infinity : Number(match[1])
}

const firewalls = (): Facts["firewalls"] => [
  ...(/^ENABLED=yes/m.test(textOf("/etc/ufw/ufw.conf") ?? "") ? ["ufw" as const] : []),
  ...(existsSync("/run/firewalld.pid") || existsSync("/run/firewalld") ? ["firewalld" as const] : []),
  ...(existsSync("/etc/nftables.conf") ? ["nftables" as const] : [])
]

/** Looks; changes nothing. */
export const gather: Effect.Effect<Facts> = Effect.gen(function*() {
  return {
    platform: `${process.platform} ${process.arch}`,
    release: Os.release(),
    node: process.versions.node,
    portable: yield* socketProbe(UdpSocket.layerDgram()),
    batched: yield* socketProbe(UdpSocket.layerBatch()),
    native: nativeProbe(),
    openSsl: openSslProbe(),
    rmemMax: numberOf("/proc/sys/net/core/rmem_max"),
    wmemMax: numberOf("/proc/sys/net/core/wmem_max"),
    openFiles: openFiles(),
    firewalls: firewalls()
  }
})
