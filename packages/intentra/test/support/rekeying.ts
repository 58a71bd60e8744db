/** Rekeying on demand, seen from outside. */
import { assert } from "@effect/vitest"
import type { NetworkConditions } from "@intentra/udp"
import type { Rekeying } from "../../src/internal/rekey.js"
import type { Station, StationOptions } from "./simulation.js"
import { connected, Simulation } from "./simulation.js"

export interface Pair {
  readonly simulation: Simulation
  readonly hub: Station
  readonly alice: Station
}

/** A hub and one client, which began their session. */
export const makePair = (
  conditions: Partial<NetworkConditions.NetworkConditions> = {},
  options: StationOptions = {},
  seed: number | string = 1
): Pair => {
  const simulation = new Simulation(conditions, seed)
  const hub = simulation.station("10.0.0.1", 1, { allow: "any", ...options })
  const alice = simulation.station("10.0.0.2", 2, options)
  connected(alice, hub)
  return { simulation, hub, alice }
}

export const rekeyingOf = (station: Station, other: Station): Rekeying => {
  const { rekeying } = station.sessionWith(other)
  if (rekeying === undefined) throw new Error(`${station.address} does not rekey`)
  return rekeying
}

/** Lets `asker` ask for new keys in `delay` milliseconds. */
export const due = (asker: Station, other: Station, delay = 1): void => {
  const at = asker.simulation.network.now + delay
  rekeyingOf(asker, other).rekeyAt = at
  asker.core.arm(asker.sessionWith(other), at)
  // the alarm moves at the end of a turn
  asker.hub.turn(() => {})
}

/** `station` does not ask by itself. */
export const neverAsks = (station: Station, other: Station): void => {
  rekeyingOf(station, other).rekeyAt = Infinity
}

/** Both have changed keys so often since the session began. */
export const assertSerial = (a: Station, b: Station, serial: number): void => {
  for (const [one, other] of [[a, b], [b, a]] as const) {
    const session = one.sessionWith(other)
    assert.strictEqual(session.epoch, serial & 3, `epoch at ${one.address}`)
    assert.strictEqual(session.keys[session.epoch]?.serial, serial, `keys at ${one.address}`)
  }
}
