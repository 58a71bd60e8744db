import { FfiError, LinuxSocket } from "@intentra/ffi"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Address from "../Address.js"
import { UdpSocketError } from "../UdpSocketError.js"
import type { UdpSocketShape } from "../UdpSocketShape.js"
import * as batch from "./batch.js"

const ECHO_PAIRS = 3
const ECHO_BYTES = 300

/** Milliseconds that datagrams may take from a socket to itself. */
const ECHO_MILLIS = 1_000

/** Sends a socket pairs of datagrams of its own, each when the one before has arrived. */
const echo = (socket: UdpSocketShape): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const { addresses, localAddress, outbox } = socket
    const address = new Uint8Array(Address.ADDRESS_BYTES)
    Address.encode(localAddress, address, 0)
    const id = addresses.acquire(address, 0)
    let seen = 0
    const timer = setTimeout(() => resume(Effect.succeed(false)), ECHO_MILLIS)
    const sendPair = (): void => {
      for (let i = 0; i < 2; i++) {
        const offset = outbox.reserve(ECHO_BYTES)
        outbox.arena.fill(seen + i, offset, offset + ECHO_BYTES)
        outbox.commit(ECHO_BYTES, id)
      }
      socket.send()
    }
    socket.setHandler(({ addressOffsets, addresses, arena, count, lengths, offsets }) => {
      for (let i = 0; i < count; i++) {
        const isRight = lengths[i] === ECHO_BYTES && arena[offsets[i]] === seen &&
          Address.equals(addresses, addressOffsets[i], address, 0)
        if (isRight) seen++
      }
      if (seen === 2 * ECHO_PAIRS) {
        clearTimeout(timer)
        resume(Effect.succeed(true))
      } else if (seen % 2 === 0) sendPair()
    })
    sendPair()
  })

/**
 * Whether batched sockets work here: one of them talks to itself over the loopback interface, and wakes up for it.
 *
 * @internal
 */
export const test = (load = LinuxSocket.load): Effect.Effect<void, UdpSocketError> =>
  Effect.gen(function*() {
    const socket = yield* batch.make({}, load)
    if (yield* echo(socket)) return
    return yield* new UdpSocketError({
      reason: "Unsupported",
      ...socket.localAddress,
      cause: new FfiError({ reason: "SelfTestFailed", detail: "a socket does not hear its own datagrams" })
    })
  }).pipe(Effect.scoped)

let verdict: Exit.Exit<void, UdpSocketError> | undefined

/** The test, once in a thread. */
const testOnce: Effect.Effect<void, UdpSocketError> = Effect.suspend(() =>
  verdict ?? Effect.flatMap(Effect.exit(Effect.uninterruptible(test())), (exit) => {
    verdict = exit
    return exit
  })
)

const explain = ({ cause, message }: UdpSocketError): string => cause instanceof Error ? cause.message : message

/**
 * The kind of socket to take: the batched one where it works, unless the other is asked for. One line is logged when
 * that is not what was wanted.
 *
 * @internal
 */
export const choose = (
  wanted: "dgram" | "batch" | "auto",
  available: Effect.Effect<void, UdpSocketError> = testOnce
): Effect.Effect<"dgram" | "batch"> => {
  if (wanted === "dgram") return Effect.succeed(wanted)
  const log = wanted === "batch" ? Effect.logWarning : Effect.logDebug
  return Effect.matchEffect(available, {
    onFailure: (error) =>
      Effect.as(log(`batched UDP is not available here, using node:dgram: ${explain(error)}`), "dgram" as const),
    onSuccess: () => Effect.succeed("batch" as const)
  })
}
