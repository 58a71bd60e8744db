import type * as Intent from "../../../src/Intent.js"
import type { SessionPeer } from "../../../src/internal/sessionPeer.js"
import { SendOptions } from "../../../src/SendOptions.js"
import { ACCEPTED } from "../../../src/SendResult.js"
import { OVERHEAD } from "./ledger.js"
import { lie } from "./liar.js"
import type { Station } from "./station.js"
import type { World } from "./world.js"

export const INTENTS = ["Realtime", "Sequenced", "Reliable"] as const

/** A user's callback threw, as it may. */
export const expected = new Error("a user's handler throws")

/** Sends a message that the ledger knows: of any length, or a plain one. */
export const send = (
  world: World,
  from: Station,
  peer: SessionPeer,
  intent: Intent.Intent,
  plain = false
): number => {
  const { dice, ledger } = world
  const to = world.byId.get(peer.id)
  if (to === undefined) return ACCEPTED
  const largest = peer.maxPayload(intent)
  const length = plain
    ? 64
    : dice.once(20)
    ? largest - 2 + dice.below(4)
    : dice.once(10)
    ? (intent === "Reliable" ? OVERHEAD : 0) + dice.below(largest - OVERHEAD)
    : OVERHEAD + dice.below(120)
  const options = SendOptions.make({
    intent,
    priority: dice.below(8),
    ...(!plain && intent !== "Reliable" && dice.once(6) ? { ttl: 1 + dice.below(40) } : {})
  })
  const { session } = peer
  const index = ledger.taken.get(session) ?? 0
  const result = peer.unsafeSend(
    ledger.message(from.index, to, length, options.intentCode, index, session.remoteConnId),
    options
  )
  if (result === ACCEPTED && intent === "Reliable") ledger.taken.set(session, index + 1)
  return result
}

/** A station's user gets a message, and now and then does something at once. */
export const received = (
  world: World,
  to: Station,
  peer: SessionPeer,
  payload: Uint8Array,
  intent: Intent.Intent
): void => {
  const { dice, quiet } = world
  world.ledger.delivered(to, peer, payload, intent)
  if (quiet || world.failure !== undefined || to.hub.handler === undefined) return
  if (dice.once(100)) send(world, to, peer, "Realtime")
  if (dice.once(4000)) to.hub.close(peer.session, "LocalClosed")
  if (dice.once(5000)) throw expected
}

/** One thing that a user, an operator or the weather does. */
export const act = (world: World): void => {
  const { dice, hub, stations, weather } = world
  const station = dice.pick(stations)
  const peers = station.peers()
  const roll = dice.below(1000)
  if (roll < 700) {
    if (peers.length > 0) {
      const peer = dice.pick(peers)
      const most = dice.once(20) ? 300 : 6
      for (let i = dice.below(most); i >= 0; i--) send(world, station, peer, dice.pick(INTENTS))
    }
  } else if (roll < 780) { for (const peer of peers) send(world, station, peer, "Realtime") }
  else if (roll < 880) {
    // to the hub for the most part: whoever lost the session comes again
    const target = dice.once(5) ? dice.pick(stations) : hub
    const isKnown = station.peers().some(({ id }) => world.byId.get(id) === target.index)
    if (!isKnown || dice.once(10)) {
      const key = dice.once(12) ? undefined : dice.once(30) ? world.mallory.handshake.publicKey : target.handshake
        .publicKey
      station.connect(dice.once(40) ? world.freshAddress() : target.socket.address, key)
      if (dice.once(4)) target.connect(station.socket.address, station.handshake.publicKey)
    }
  } else if (roll < 895) {
    if (station.attempts.length > 0) station.hub.cancel(dice.pick(station.attempts))
  } else if (roll < 905) {
    if (peers.length > 0) {
      const peer = dice.pick(peers)
      station.hub.close(peer.session, dice.pick(["LocalClosed", "AuthFail"] as const))
      if (send(world, station, peer, "Realtime", true) === ACCEPTED) world.fail("a closed session took a message")
    }
  } else if (world.isCalm && roll < 983) return
  else if (roll < 915) station.isCut = station !== hub || dice.once(4)
  else if (roll < 940) { for (const one of stations) one.isCut = false }
  else if (roll < 960) {
    weather.loss = dice.once(2) ? 0 : dice.below(30)
    weather.duplication = dice.once(2) ? 0 : dice.below(20)
    weather.latency = 1 + dice.below(dice.once(4) ? 300 : 20)
  } else if (roll < 980) world.rebind(station)
  else if (roll < 983) world.restart(station)
  else if (roll < 990) world.advance(dice.below(3000))
  else if (roll < 994) world.advance(dice.below(30_000))
  else if (roll < 995) world.advance(dice.below(200_000))
  else lie(world)
}
