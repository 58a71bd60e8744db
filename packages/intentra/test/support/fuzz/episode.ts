import { sessionTag } from "./ledger.js"
/**
 * A structure-aware fuzzer of the whole transport, over the wire and over the API. Stations talk over a small network of
 * its own, made of one seed, that hands datagrams over in batches; an attacker who has seen every datagram sends changed
 * ones among them, and one station is authenticated and lies. All that must hold, whatever comes, is checked after every
 * step.
 */
import { ACTIVE, Session } from "../../../src/internal/session.js"
import { ACCEPTED, WOULD_BLOCK } from "../../../src/SendResult.js"
import { check } from "./checks.js"
import { lie } from "./liar.js"
import { emptyReport, FuzzFailure } from "./report.js"
import type { FuzzOptions, FuzzReport } from "./report.js"
import { act, INTENTS, send } from "./users.js"
import { World } from "./world.js"

/** The attacker and the weather rest, for longer than the idle timeout: a session that cannot go on has ended then. */
const rest = (world: World): void => {
  world.quiet = true
  Object.assign(world.weather, { loss: 0, duplication: 0, latency: 10 })
  for (const station of world.stations) station.isCut = false
  for (let i = 0; i < 450 && world.failure === undefined; i++) {
    world.advance(200)
    check(world)
  }
  for (const station of world.stations) station.drainAll()
}

/** What is alive delivers in both directions, and has lost no Reliable message. */
const checkSurvivors = (world: World): void => {
  const { dice, ledger, mallory, report, stations } = world
  for (const station of stations) {
    for (const peer of station.peers()) {
      const other = stations[world.byId.get(peer.id) ?? 0]
      if (station === mallory || other === mallory) continue
      const before = report.delivered
      const intent = dice.pick(INTENTS)
      const { session } = peer
      const result = send(world, station, peer, intent, true)
      if (result !== ACCEPTED) {
        if (result === WOULD_BLOCK) {
          world.fail(`the session of stations ${station.index} and ${other.index} takes nothing`)
        }
        continue
      }
      for (let i = 0; i < 20 && report.delivered === before; i++) {
        world.advance(100)
        other.drainAll()
      }
      if (report.delivered === before && peer.closeReason === undefined) {
        world.fail(
          `the session of stations ${station.index} and ${other.index} is stuck: it is open and delivers nothing`
        )
      }
      const there = other.core.table.get(session.remoteConnId)
      const arrived = there instanceof Session
        ? ledger.arrived.get(sessionTag(other.index, session.remoteConnId)) ?? 0
        : -1
      if (session.state === ACTIVE && arrived >= 0 && arrived !== (ledger.taken.get(session) ?? 0)) {
        world.fail(
          `station ${other.index} has ${arrived} of ${ledger.taken.get(session)} Reliable of station ${station.index}`
        )
      }
      report.survivors++
    }
  }
}

/** Everybody closes; nothing may be left of anything. */
const checkNothingLeft = (world: World): void => {
  for (const station of world.stations) {
    for (const connecting of station.attempts.slice()) station.hub.cancel(connecting)
    for (const peer of station.peers()) station.hub.close(peer.session, "LocalClosed")
  }
  world.advance(300_000)
  check(world)
  for (const { core, hub, index } of world.stations) {
    const left = core.table.size + core.timers.size + core.active.size + core.byIdentity.size + hub.addresses.size +
      core.queue.count + core.unsentReliable + core.ready.length + core.services.gate.admission.inFlight +
      core.connecting.size + core.stalled.size
    if (left > 0) {
      world.fail(
        `station ${index} still holds after five minutes: ${core.table.size} conn_ids, ${core.timers.size} timers, ` +
          `${core.byIdentity.size} identities, ${hub.addresses.size} addresses, ${core.queue.count} messages`
      )
    }
  }
}

/** The attacker and the weather rest; what is alive then must work, and what is closed must be gone. */
const settle = (world: World): void => {
  rest(world)
  checkSurvivors(world)
  checkNothingLeft(world)
  for (const station of world.stations) world.gather(station)
}

/**
 * Runs episodes until the datagrams are spent, and yields the sums so far after each; throws {@link FuzzFailure} where a
 * law does not hold.
 */
export function* fuzz(options: FuzzOptions): Generator<FuzzReport, void> {
  const report = emptyReport()
  const { episode = 50_000 } = options
  while (report.hostile < options.datagrams) {
    const world = new World(options.seed + report.episodes, report)
    try {
      while (world.hostile < episode && world.failure === undefined) {
        world.step++
        for (let i = world.dice.below(12); i >= 0; i--) act(world)
        world.advance(world.dice.below(12))
        if (!world.dice.once(3)) world.attacker.attack()
        if (world.dice.once(10)) lie(world)
        world.advance(world.dice.below(12))
        check(world)
      }
      if (world.failure === undefined) settle(world)
    } catch (error) {
      throw new FuzzFailure(world.seed, world.step, `threw ${String(error)}`, error)
    } finally {
      world.close()
    }
    if (world.failure !== undefined) throw world.failure
    report.episodes++
    report.steps += world.step
    report.hostile += world.hostile
    yield report
  }
}
