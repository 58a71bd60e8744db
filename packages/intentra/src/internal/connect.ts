import { Address } from "@intentra/udp"
import type { SocketAddress } from "@intentra/udp"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
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
const hold = (peer: PeerHandle): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => {
    peer.holders++
    return Effect.addFinalizer(() => peer.letGo())
  })

/** `connect` of a transport. */
export const connectWith = (connector: Connector): IntentraShape["connect"] => {
  const whileOpen: Effect.Effect<void, IntentraError> = Effect.suspend(() => {
    const ended = connector.ended()
    return ended === undefined ? Effect.void : Effect.fail(ended === "scope" ? transportClosed : ended)
  })

  // whenever it is interrupted, the handshake or the session it has become is owned by somebody
  const connectScoped = (address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        let peer = remoteKey === undefined ? undefined : yield* restore(connector.livePeer(remoteKey))
        if (peer === undefined) {
          const result = yield* Deferred.make<PeerHandle, IntentraError>()
          const cancel = connector.begin(address, remoteKey, quick, {
            onConnected: (peer) => Deferred.unsafeDone(result, Effect.succeed(peer)),
            onFailed: (error) => Deferred.unsafeDone(result, Effect.fail(error))
          })
          peer = yield* restore(Deferred.await(result)).pipe(Effect.onInterrupt(() => Effect.sync(cancel)))
        }
        yield* hold(peer)
        return peer
      })
    )

  return Effect.fn("Intentra.connect")(function*(options: ConnectOptions) {
    yield* whileOpen
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
    yield* whileOpen
    return yield* connectScoped(bytes, remoteKey, options.handshake === "IK")
  })
}
