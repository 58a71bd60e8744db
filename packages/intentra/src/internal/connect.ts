import { Address } from "@intentra/udp"
import type { SocketAddress } from "@intentra/udp"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { ConnectOptions, IntentraShape } from "../Intentra.js"
import { IntentraError } from "../IntentraError.js"
import { invalidOption } from "./invalidOption.js"
import type { PeerHandle } from "./peerHandle.js"
import { publicKeyFrom } from "./publicKeyFrom.js"
import { resolveHost } from "./resolveHost.js"
import { identityKeyOf } from "./session.js"

/** What makes sessions, wherever they are. */
export interface Connector {
  /** Where the socket is bound: what is connected to is of its family. */
  readonly localAddress: SocketAddress
  readonly maxSessions: number
  /** Whether there is one session for an identity, which all who connect to it share. */
  readonly shares: boolean
  /** Sessions that are active, and handshakes of our own. */
  readonly sessions: () => number
  /** Why the transport is over. */
  readonly ended: () => IntentraError | "scope" | undefined
  /** The peer of an active session with this key, if it has been heard lately. */
  readonly livePeer: (remoteKey: Uint8Array) => Effect.Effect<PeerHandle | undefined>
  /**
   * Begins a handshake with the raw address (24 bytes) that calls back once. What it returns cancels the handshake, or
   * the session that it has become meanwhile.
   */
  readonly begin: (
    address: Uint8Array,
    remoteKey: Uint8Array | undefined,
    quick: boolean,
    waiting: {
      readonly onConnected: (peer: PeerHandle) => void
      readonly onFailed: (error: IntentraError) => void
    }
  ) => () => void
}

const transportClosed = new IntentraError({
  reason: "TransportClosed",
  detail: "the transport has been closed: its scope has ended"
})

/** The scope holds the peer: only the peer, none of what it took to connect it. */
const hold = (peer: PeerHandle): Effect.Effect<PeerHandle, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => {
    peer.holders++
    return Effect.as(Scope.addFinalizer(scope, Effect.uninterruptible(peer.letGo())), peer)
  })

type Outcome = Effect.Effect<PeerHandle, IntentraError>

/** A handshake, and all who wait for what comes of it. */
class Attempt {
  private readonly waiting = new Set<(outcome: Outcome) => void>()
  private outcome: Outcome | undefined = undefined
  peer: PeerHandle | undefined = undefined
  cancel = (): void => {}

  constructor(readonly quick: boolean) {}

  add(resume: (outcome: Outcome) => void): void {
    this.waiting.add(resume)
    if (this.outcome !== undefined) resume(this.outcome)
  }

  settle(outcome: Outcome): void {
    this.outcome = outcome
    for (const resume of this.waiting) resume(outcome)
  }

  /** Somebody does not wait any more. Whoever is the last, and nobody has the peer, takes the handshake back. */
  leave(resume: (outcome: Outcome) => void): void {
    this.waiting.delete(resume)
    if (this.waiting.size === 0 && (this.peer === undefined || this.peer.holders === 0)) this.cancel()
  }
}

/** `connect` of a transport. */
export const connectWith = (connector: Connector): IntentraShape["connect"] => {
  /** Handshakes under way that others may wait for, by what they lead to. */
  const attempts = new Map<string, Attempt>()

  const over = (): IntentraError | undefined => {
    const ended = connector.ended()
    return ended === "scope" ? transportClosed : ended
  }

  const begin = (goal: string, address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean): Attempt => {
    const attempt = new Attempt(quick)
    attempts.set(goal, attempt)
    const settle = (outcome: Outcome): void => {
      if (attempts.get(goal) === attempt) attempts.delete(goal)
      attempt.settle(outcome)
    }
    attempt.cancel = connector.begin(address, remoteKey, quick, {
      onConnected: (peer) => {
        attempt.peer = peer
        settle(Effect.succeed(peer))
      },
      onFailed: (error) => settle(Effect.fail(error))
    })
    return attempt
  }

  // whenever it is interrupted, the handshake or the session it has become is owned by somebody
  const connectScoped = (address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean) =>
    Effect.uninterruptibleMask((restore) => {
      const fresh: Outcome = Effect.suspend(() => {
        // the look for a peer may have taken its time
        const closed = over()
        if (closed !== undefined) return Effect.fail(closed)
        // two handshakes with one identity would end each other's session; one elsewhere may lead to a host that answers
        const goal = `${Address.format(address, 0)} ${remoteKey === undefined ? "any" : identityKeyOf(remoteKey)}`
        const current = connector.shares ? attempts.get(goal) : undefined
        if (current === undefined && connector.sessions() >= connector.maxSessions) {
          return Effect.fail(
            new IntentraError({
              reason: "SessionLimit",
              detail: `this transport has ${connector.maxSessions} sessions already: raise maxSessions`
            })
          )
        }
        let leave = (): void => {}
        const outcome = Effect.async<PeerHandle, IntentraError>((resume) => {
          const attempt = current ?? begin(goal, address, remoteKey, quick)
          leave = () => attempt.leave(resume)
          attempt.add(resume)
        })
        const settled = Effect.tapErrorCause(
          restore(outcome),
          (cause) => Cause.isInterruptedOnly(cause) ? Effect.sync(leave) : Effect.void
        )
        // one pattern may fail for a reason of its own
        return current === undefined || current.quick === quick ? settled : Effect.catchAll(settled, () => fresh)
      })
      const live = remoteKey === undefined ? Effect.succeed(undefined) : restore(connector.livePeer(remoteKey))
      return live.pipe(
        Effect.flatMap((peer) => peer === undefined ? fresh : Effect.succeed(peer)),
        Effect.flatMap(hold)
      )
    })

  return Effect.fn("Intentra.connect")(function*(options: ConnectOptions) {
    const closed = over()
    if (closed !== undefined) return yield* closed
    const remoteKey = options.publicKey === "any" ? undefined : yield* publicKeyFrom(options.publicKey, "publicKey")
    if (options.handshake === "IK" && remoteKey === undefined) {
      return yield* invalidOption("handshake is \"IK\", which needs the hub's public key: give publicKey")
    }
    const family = connector.localAddress.host.includes(":") ? 6 : 4
    const target = yield* resolveHost(options.host, options.port, family)
    const bytes = new Uint8Array(Address.ADDRESS_BYTES)
    if (!Address.encode(target, bytes, 0)) {
      return yield* new IntentraError({
        reason: "InvalidAddress",
        detail: `cannot connect to ${options.host} port ${options.port}: the port must be from 1 to 65535`
      })
    }
    return yield* connectScoped(bytes, remoteKey, options.handshake === "IK")
  })
}
