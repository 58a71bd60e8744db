/**
 * What a scenario measures and says.
 *
 * @since 0.1.0
 */
import { Machine } from "./internal/machine.js"
import type { Cell } from "./internal/table.js"

/**
 * A figure that a scenario is meant to reach.
 *
 * @since 0.1.0
 * @category models
 */
export interface Goal {
  /** What is wanted, in words and figures. */
  readonly goal: string
  /** The figure of this run; `null` where it could not be had. */
  readonly measured: number | null
  readonly met: boolean
}

/**
 * One table of figures: a row for each record, its columns in the order of the first one's keys.
 *
 * @since 0.1.0
 * @category models
 */
export interface Table {
  readonly title: string
  readonly rows: ReadonlyArray<{ readonly [column: string]: Cell }>
}

/**
 * What one run of a scenario gave.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outcome {
  /** The scenario's own fields, as they stand in its JSON. */
  readonly fields: { readonly [name: string]: unknown }
  readonly tables: ReadonlyArray<Table>
  /** Limits of the transport that stood in the way, and what they were set to. */
  readonly lifted: { readonly [name: string]: string | number }
  readonly goals: ReadonlyArray<Goal>
}

/**
 * A run of a scenario, with where and when it was.
 *
 * @since 0.1.0
 * @category models
 */
export interface Result extends Outcome {
  readonly scenario: string
  readonly machine: Machine
  /** ISO 8601. */
  readonly date: string
  /** Seconds that a measured phase was asked to last. */
  readonly seconds: number
}

/**
 * The outcome of a scenario, with this machine and this time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const result = (scenario: string, seconds: number, outcome: Outcome): Result => ({
  ...outcome,
  scenario,
  machine: Machine.here(),
  date: new Date().toISOString(),
  seconds
})

/**
 * The JSON object of a result, in one line.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toJson = ({ date, fields, goals, lifted, machine, scenario, seconds }: Result): string =>
  JSON.stringify({ scenario, machine, date, seconds, ...fields, lifted, goals })

/**
 * A goal that is met by a figure of at least `least`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const atLeast = (goal: string, measured: number | undefined, least: number): Goal => ({
  goal,
  measured: measured ?? null,
  met: measured !== undefined && measured >= least
})

/**
 * A goal that is met by a figure of at most `most`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const atMost = (goal: string, measured: number | undefined, most: number): Goal => ({
  goal,
  measured: measured ?? null,
  met: measured !== undefined && measured <= most
})
