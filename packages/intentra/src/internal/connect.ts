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

/** What makes sessions, wherever they are. */
export interface Connector {
  /** Where the socket is bound: what is connected to is of its family. */
  readonly localAddress: SocketAddress
  readonly maxSessions: number
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

/** `connect` of a transport. */
export const connectWith = (connector: Connector): IntentraShape["connect"] => {
  const over = (): IntentraError | undefined => {
    const ended = connector.ended()
    return ended === "scope" ? transportClosed : ended
  }

  // whenever it is interrupted, the handshake or the session it has become is owned by somebody
  const connectScoped = (address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean) =>
    Effect.uninterruptibleMask((restore) => {
      const fresh = Effect.suspend(() => {
        // the look for a peer may have taken its time
        const closed = over()
        if (closed !== undefined) return Effect.fail(closed)
        let cancel = (): void => {}
        const connected = Effect.async<PeerHandle, IntentraError>((resume) => {
          cancel = connector.begin(address, remoteKey, quick, {
            onConnected: (peer) => resume(Effect.succeed(peer)),
            onFailed: (error) => resume(Effect.fail(error))
          })
        })
        return Effect.tapErrorCause(
          restore(connected),
          (cause) => Cause.isInterruptedOnly(cause) ? Effect.sync(cancel) : Effect.void
        )
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
    if (connector.sessions() >= connector.maxSessions) {
      return yield* new IntentraError({
        reason: "SessionLimit",
        detail: `this transport has ${connector.maxSessions} sessions already: raise maxSessions`
      })
    }
    return yield* connectScoped(bytes, remoteKey, options.handshake === "IK")
  })
}
