import * as DropReason from "../../../src/DropReason.js"
import { HalfOpen } from "../../../src/internal/halfOpen.js"
import { ACTIVE, OPENING, Session } from "../../../src/internal/session.js"
import type { Station } from "./station.js"
import type { World } from "./world.js"

const OUTGOING = ["Expired", "Superseded", "Overload", "PathShrunk", "SessionClosed"] as const

const checkStation = (world: World, station: Station): void => {
  const { core, hub, index } = station
  const { counters } = hub
  const law = (holds: boolean, what: () => string): void => {
    if (!holds) world.fail(`station ${index}: ${what()}`)
  }
  const equal = (what: string, found: number, wanted: number): void =>
    law(found === wanted, () => `${what}: ${found}, but ${wanted} was expected`)
  let sum = counters.undecided
  for (const count of counters.accepted) sum += count
  for (let code = 0; code < DropReason.code.Stale; code++) sum += counters.drops[code]
  equal("datagrams accepted, dropped or undecided", sum, counters.received)
  equal("defects", counters.dropped("Defect"), 0)
  let messages = counters.messagesSent + core.queue.count + core.unsentReliable
  for (const reason of OUTGOING) messages += counters.dropped(reason)
  // expired and overloaded ones are moved to the counters by the next flush
  equal("messages", messages + core.queue.expired + core.queue.overloaded, counters.messagesQueued)

  let sessions = 0
  let opening = 0
  let moves = 0
  let halfOpen = 0
  let waiting = 0
  let undecided = 0
  let queued = 0
  let active = 0
  for (const endpoint of core.table.values()) {
    if (endpoint instanceof Session) {
      sessions++
      queued += endpoint.queued
      if (endpoint.move !== undefined) moves++
      if (endpoint.state === OPENING) opening++
      if (endpoint.state === ACTIVE) active++
      const isHonest = index !== 1 && world.byId.get(endpoint.id) !== 1
      law(!isHonest || (endpoint.strikes?.count(world.now) ?? 0) === 0, () => "an honest session has a strike")
      law(endpoint.addressId > 0 && hub.addresses.has(endpoint.addressId), () => "a session without an address")
    } else if (endpoint instanceof HalfOpen) {
      halfOpen++
      if (endpoint.session !== undefined) waiting++
      if (endpoint.undecided) undecided++
    }
  }
  const pending = core.connecting.size
  equal("active sessions", core.active.size, active)
  equal("the gauge of active sessions", counters.sessionsActive, active)
  law(active <= core.limits.maxSessions, () => `${active} sessions, ${core.limits.maxSessions} allowed`)
  law(core.byIdentity.size <= active, () => "an identity without a session")
  equal("handshakes in flight", core.services.gate.admission.inFlight, halfOpen)
  equal("the gauge of handshakes in flight", counters.handshakesInFlight, halfOpen)
  equal("undecided handshakes", counters.undecided, undecided)
  law(halfOpen <= core.services.gate.admission.limit, () => `${halfOpen} handshakes in flight`)
  equal("queued messages", core.queue.count, queued)
  equal("timers", core.timers.size, sessions - opening + halfOpen + pending)
  equal("addresses", hub.addresses.size, sessions + moves + halfOpen + waiting + pending)
  law(hub.protocol.responder.memory.size <= 1024, () => `${hub.protocol.responder.memory.size} remembered handshakes`)
}

/** Everything that must hold between two turns. */
export const check = (world: World): void => {
  for (const station of world.stations) {
    station.drain()
    checkStation(world, station)
  }
}
