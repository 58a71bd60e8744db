import { Entropy } from "@intentra/crypto"
import { Context, Effect, Layer, Redacted } from "effect"
import { Handshake } from "../../../src/Handshake.js"
import type { HandshakeShape } from "../../../src/Handshake.js"
import { layerConcerns } from "../../../src/Intentra.js"
import type { IntentraOptions } from "../../../src/Intentra.js"
import { Hub } from "../../../src/internal/hub.js"
import type { Connecting } from "../../../src/internal/initiator.js"
import { servicesOf } from "../../../src/internal/servicesOf.js"
import type { SessionPeer } from "../../../src/internal/sessionPeer.js"
import { TransportCounters } from "../../../src/TransportCounters.js"
import * as TransportOptions from "../../../src/TransportOptions.js"
import { layerCrypto } from "../crypto.js"
import { FuzzSocket } from "./socket.js"
import { expected, received } from "./users.js"
import type { World } from "./world.js"

const undecided = Effect.succeed(true)

/** A transport and its user. */
export class Station {
  readonly socket: FuzzSocket
  readonly hub: Hub
  readonly handshake: HandshakeShape
  readonly attempts: Array<Connecting> = []
  isCut = false

  constructor(
    readonly world: World,
    readonly index: number,
    readonly options: IntentraOptions,
    address: Uint8Array,
    life: number
  ) {
    this.socket = new FuzzSocket(world, address)
    const key = Redacted.make(new Uint8Array(32).fill(index + 1))
    const entropy = Entropy.layerSeeded(`${world.seed} ${index} ${life}`)
    const services = Effect.runSync(Layer.buildWithScope(
      Layer.merge(layerConcerns({ ...options, key }), entropy).pipe(Layer.provide(Layer.merge(layerCrypto, entropy))),
      world.scope
    ))
    this.handshake = Context.get(services, Handshake)
    this.hub = new Hub(
      this.socket,
      { ...Effect.runSync(TransportOptions.check(options)), firstReliable: world.firstReliable },
      servicesOf(services),
      { authorize: () => world.dice.once(8) ? undecided : !world.dice.once(20) },
      new TransportCounters(),
      {
        event: (event) => {
          if (event._tag === "PeerConnected" || event._tag === "PeerRejoined") {
            world.ledger.began(this, event.peer as SessionPeer)
          }
          if (event._tag === "PeerClosed") {
            world.ledger.closed(this, event.peer as SessionPeer, event.reason, event.text)
          }
        },
        decide: (_verdict, done) => world.later(world.dice.below(6000), () => done(!world.dice.once(4))),
        fold: () => {},
        defect: (where, error) => {
          if (error !== expected) world.fail(`${where} threw`, error)
        }
      }
    )
    if (options.deliveryQueue !== undefined) return
    this.hub.handler = (peer, payload, intent) => received(world, this, peer as SessionPeer, payload, intent)
  }

  get core() {
    return this.hub.protocol.core
  }

  /** What came for the consumer of the stream, where there is one. */
  drain(): void {
    if (this.hub.ring.size === 0) return
    for (const { intent, payload, peer } of this.hub.takeDeliveries()) {
      received(this.world, this, peer as SessionPeer, payload, intent)
    }
  }

  /** All of it, and what was held back until there was room. */
  drainAll(): void {
    while (this.hub.ring.size > 0) this.drain()
  }

  peers(): Array<SessionPeer> {
    return this.hub.peers()
  }

  connect(address: Uint8Array, key: Uint8Array | undefined): void {
    if (this.core.active.size + this.core.connecting.size >= this.core.limits.maxSessions) return
    const forget = (): void => {
      const at = this.attempts.indexOf(connecting)
      if (at >= 0) this.attempts.splice(at, 1)
    }
    const quick = key !== undefined && this.world.dice.once(4)
    const connecting = this.hub.connect(address, key, { onConnected: forget, onFailed: forget }, quick)
    this.attempts.push(connecting)
  }
}
