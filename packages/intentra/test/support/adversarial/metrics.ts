/** What an attack leaves in the metrics: its own series, and no other one. */
import type { DropReason } from "../../../src/DropReason.js"
import * as Frame from "../../../src/Frame.js"
import { due } from "../rekeying.js"
import { ALICE, packet, realtime, reliable, seal, sequenced, STRANGER } from "../simulation.js"
import { connIdOf, genuine, joined, masked, send, strangerIn, times, zeros } from "./attack.js"
import type { Attack } from "./attack.js"

const RECEIVED = "intentra_packets_received_total"
const SENT = "intentra_packets_sent_total"
const STRIKES = "intentra_strike_events_total"
const MESSAGES = "intentra_messages_received_total"
const ACTIVE = "intentra_connections_active"
const IN_FLIGHT = "intentra_handshake_in_flight"

const dropped = (reason: string): string => `intentra_packets_dropped_total{reason=${reason}}`
const accepted = (type: "data" | "ack" | "handshake" | "control"): string =>
  `intentra_packets_accepted_total{type=${type}}`
const closed = (reason: string): string => `intentra_connection_closes_total{reason=${reason}}`

/** Datagrams that are dropped, each for one reason, and counted as received. */
const plain: ReadonlyArray<readonly [reason: DropReason, make: Attack["prepare"]]> = [
  ["Truncated", (world) => () => send(world, STRANGER, Uint8Array.of(0x20))],
  ["Oversized", (world) => () => send(world, STRANGER, new Uint8Array(3000).fill(0x20))],
  ["BadVersion", (world) => () => send(world, STRANGER, packet(1, { version: 7 }))],
  ["BadType", (world) => () => send(world, STRANGER, packet(1, { type: 7 }))],
  ["ReservedBit", (world) => () => send(world, STRANGER, packet(1, { reserved: 1 }))],
  ["LengthMismatch", (world) => () => send(world, STRANGER, packet(1, { payloadLength: 1 }))],
  ["UnknownConnection", (world) => () => send(world, STRANGER, packet(connIdOf(world) ^ 1))],
  ["UnknownEpoch", (world) => () => send(world, STRANGER, packet(connIdOf(world), { epoch: 2 }))],
  ["HandshakeMalformed", (world) => () => send(world, STRANGER, packet(0, { type: 2, seq: 0 }, new Uint8Array(50)))],
  ["BadMac1", (world) => {
    const bytes = masked(strangerIn(world).hello, 1190, 1)
    return () => send(world, STRANGER, bytes)
  }],
  ["BadCookie", (world) => {
    const bytes = strangerIn(world).echo(new Uint8Array(16))
    return () => send(world, STRANGER, bytes)
  }]
]

const strangers: ReadonlyArray<Attack> = [
  ...plain.map(([reason, prepare]): Attack => ({
    name: "one datagram is one received and one dropped, by reason",
    drops: { [reason]: 1 },
    series: { [RECEIVED]: 1, [dropped(reason)]: 1 },
    prepare
  })),
  {
    name: "a forged packet is one of those that the old name counts too",
    drops: { AuthFailed: 3 },
    series: { [RECEIVED]: 3, [dropped("AuthFailed")]: 3, intentra_packets_dropped_crypto: 3 },
    prepare: (world) => () => times(3, (i) => send(world, STRANGER, packet(connIdOf(world), { seq: 900 + i })))
  },
  {
    name: "replays are rejections, whether they came or are behind the window",
    world: { hub: { replayWindow: 1024 } },
    drops: { Replayed: 1, TooOld: 2 },
    series: {
      [RECEIVED]: 3,
      [dropped("Replayed")]: 1,
      [dropped("TooOld")]: 2,
      intentra_replay_rejections_total: 3
    },
    prepare: (world) => {
      const old = genuine(world, "old")
      const keys = world.alice.sessionWith(world.hub).keys[0]
      if (keys !== undefined) keys.sendSeq += 2000
      const newest = genuine(world, "newest")
      send(world, ALICE, newest)
      return () => {
        send(world, ALICE, newest)
        times(2, () => send(world, ALICE, old))
      }
    }
  },
  {
    name: "a hello is a challenge, and holds nothing that a gauge would show",
    drops: {},
    moves: { accepted: 1, challenges: 1 },
    series: { [RECEIVED]: 1, [SENT]: 1, [accepted("handshake")]: 1, intentra_handshake_challenges_total: 1 },
    prepare: (world) => {
      const { hello } = strangerIn(world)
      return () => send(world, STRANGER, hello)
    }
  },
  {
    name: "a handshake that was begun is in flight",
    drops: {},
    moves: { accepted: 1 },
    holds: { connections: 1, addresses: 1, timers: 1, inFlight: 1 },
    series: { [RECEIVED]: 1, [SENT]: 1, [accepted("handshake")]: 1, [IN_FLIGHT]: 1 },
    prepare: (world) => {
      const bytes = strangerIn(world).echo()
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "one that ends in a session is in flight no more, and the session is active",
    drops: {},
    moves: { accepted: 1, handshakes: 1 },
    holds: { identities: 1, inFlight: -1, remembered: 1 },
    series: {
      [RECEIVED]: 1,
      [SENT]: 1,
      [accepted("handshake")]: 1,
      [IN_FLIGHT]: -1,
      [ACTIVE]: 1,
      intentra_handshakes_total: 1
    },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open())
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "one that is refused ends without a session, and no close is counted",
    world: { hub: { maxSessions: 2 } },
    drops: { SessionLimit: 1 },
    holds: { inFlight: -1, remembered: 1 },
    series: { [RECEIVED]: 1, [SENT]: 1, [dropped("SessionLimit")]: 1, [IN_FLIGHT]: -1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open())
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "one that made room for another is evicted, and as many are in flight",
    world: { hub: { gate: { inFlight: 2 } } },
    drops: {},
    moves: { accepted: 1, evicted: 1 },
    series: { [RECEIVED]: 1, [SENT]: 1, [accepted("handshake")]: 1, intentra_handshakes_evicted_total: 1 },
    prepare: (world) => {
      times(2, (i) => strangerIn(world, 50 + i, `172.16.${i}.1:1`).open())
      const bytes = strangerIn(world, 9, "172.16.9.1:1").echo()
      return () => send(world, "172.16.9.1:1", bytes)
    }
  }
]

const peers: ReadonlyArray<Attack> = [
  {
    name: "a malformed packet is dropped and a strike",
    who: "peer",
    drops: { MalformedFrame: 1 },
    moves: { strikes: 1 },
    series: { [RECEIVED]: 1, [dropped("MalformedFrame")]: 1, [STRIKES]: 1 },
    prepare: (world) => {
      const bytes = seal(world.alice.sessionWith(world.hub), zeros(Frame.PING, 3), { type: 3 })
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "a forbidden one too",
    who: "peer",
    drops: { ForbiddenFrame: 1 },
    moves: { strikes: 1 },
    series: { [RECEIVED]: 1, [dropped("ForbiddenFrame")]: 1, [STRIKES]: 1 },
    prepare: (world) => {
      const bytes = seal(world.alice.sessionWith(world.hub), realtime("x"), { type: 3 })
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "ten of them close the session, by reason",
    who: "peer",
    drops: { MalformedFrame: 10 },
    moves: { strikes: 10, closes: { ProtocolViolation: 1 } },
    holds: { identities: -1 },
    series: {
      [RECEIVED]: 10,
      [SENT]: 1,
      [dropped("MalformedFrame")]: 10,
      [STRIKES]: 10,
      [closed("ProtocolViolation")]: 1,
      [ACTIVE]: -1
    },
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      const all = Array.from({ length: 10 }, () => seal(session, zeros(Frame.PING, 3), { type: 3 }))
      return () => {
        for (const bytes of all) send(world, ALICE, bytes)
      }
    }
  },
  {
    name: "a session that its peer closes is closed by reason, and active no more",
    who: "peer",
    drops: {},
    moves: { accepted: 1, closes: { PeerClosed: 1 } },
    holds: { connections: -1, identities: -1, addresses: -1, timers: -1 },
    series: { [RECEIVED]: 1, [accepted("control")]: 1, [closed("PeerClosed")]: 1, [ACTIVE]: -1 },
    prepare: (world) => {
      const bytes = seal(world.alice.sessionWith(world.hub), zeros(Frame.CLOSE, 1), { type: 3 })
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "packets above the rate are those that the old name counts too",
    who: "peer",
    world: { hub: { packetsPerSecond: 10, burst: 5 } },
    drops: { RateLimited: 15 },
    moves: { accepted: 5, delivered: 5 },
    series: {
      [RECEIVED]: 20,
      [accepted("data")]: 5,
      [MESSAGES]: 5,
      [dropped("RateLimited")]: 15,
      intentra_packets_dropped_rate_limit: 15
    },
    prepare: (world) => {
      world.simulation.advance(2000)
      return () => times(20, (i) => send(world, ALICE, genuine(world, `${i}`)))
    }
  },
  {
    name: "a packet of five messages is one packet and five messages",
    who: "peer",
    drops: { Stale: 2 },
    moves: { accepted: 1, delivered: 3 },
    series: { [RECEIVED]: 1, [accepted("data")]: 1, [MESSAGES]: 3, [dropped("Stale")]: 2 },
    prepare: (world) => {
      const five = joined(realtime("a"), sequenced(9, "b"), sequenced(8, "c"), sequenced(9, "d"), realtime("e"))
      const bytes = seal(world.alice.sessionWith(world.hub), five)
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "what is held for order is in its gauge, and repeats of it are duplicates",
    who: "peer",
    drops: { Duplicate: 4 },
    moves: { accepted: 5 },
    series: {
      [RECEIVED]: 5,
      [SENT]: 1,
      [accepted("data")]: 5,
      [dropped("Duplicate")]: 4,
      intentra_reorder_buffer_bytes: 100
    },
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      const all = Array.from({ length: 5 }, () => seal(session, reliable(3, "x".repeat(100))))
      return () => {
        for (const bytes of all) send(world, ALICE, bytes)
      }
    }
  },
  {
    name: "what overflows a delivery queue is dropped, and the gauge shows what is left",
    who: "peer",
    world: { hub: { stream: true, deliveryQueue: 4 } },
    drops: { DeliveryOverflow: 6 },
    moves: { accepted: 10, delivered: 10 },
    series: {
      [RECEIVED]: 10,
      [accepted("data")]: 10,
      [MESSAGES]: 10,
      [dropped("DeliveryOverflow")]: 6,
      intentra_delivery_queue_bytes: 400
    },
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      const all = Array.from({ length: 10 }, () => seal(session, realtime("x".repeat(100))))
      return () => {
        for (const bytes of all) send(world, ALICE, bytes)
      }
    }
  },
  {
    name: "a rekey that is forged is a strike, and no rekey",
    who: "peer",
    drops: {},
    moves: { accepted: 1, strikes: 1 },
    series: { [RECEIVED]: 1, [accepted("control")]: 1, [STRIKES]: 1 },
    prepare: (world) => {
      const body = Uint8Array.from([1, 1, ...new Uint8Array(48).fill(3)])
      const bytes = seal(world.alice.sessionWith(world.hub), Frame.encodeAll([{ type: Frame.REKEY, body }]), {
        type: 3
      })
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "a packet of a key that is gone is of an unknown epoch, and nothing of the rekey's",
    drops: { UnknownEpoch: 1 },
    series: { [RECEIVED]: 1, [dropped("UnknownEpoch")]: 1 },
    prepare: (world) => {
      const late = genuine(world, "late")
      due(world.alice, world.hub)
      world.simulation.advance(11_000)
      return () => send(world, ALICE, late)
    }
  },
  {
    name: "a move that nobody proves is no move",
    who: "peer",
    drops: {},
    moves: { accepted: 1, delivered: 1 },
    holds: { addresses: 1 },
    series: { [RECEIVED]: 1, [SENT]: 2, [accepted("data")]: 1, [MESSAGES]: 1 },
    prepare: (world) => {
      const bytes = genuine(world)
      return () => send(world, "10.9.9.1:1", bytes)
    }
  }
]

export const metrics: ReadonlyArray<Attack> = [...strangers, ...peers]
