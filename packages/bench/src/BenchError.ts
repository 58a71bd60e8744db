/**
 * Why a scenario could not be run.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * - `InvalidArgument`: an option is out of its range; `detail` names it.
 * - `ChildFailed`: a process of the scenario failed or died.
 * - `ChildTimeout`: a process of the scenario did not answer in time.
 * - `ResultsUnwritable`: the folder of the results cannot be written.
 *
 * @since 0.1.0
 * @category models
 */
export type BenchErrorReason = "InvalidArgument" | "ChildFailed" | "ChildTimeout" | "ResultsUnwritable"

/**
 * A scenario could not be run. A goal that is missed is no error.
 *
 * @since 0.1.0
 * @category errors
 */
export class BenchError extends Data.TaggedError("BenchError")<{
  readonly reason: BenchErrorReason
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    switch (this.reason) {
      case "InvalidArgument":
        return this.detail
      case "ChildFailed":
        return `a process of the scenario failed: ${this.detail}`
      case "ChildTimeout":
        return `a process of the scenario did not answer in time (${this.detail}): is the machine busy?`
      case "ResultsUnwritable":
        return `the results cannot be written: ${this.detail}`
    }
  }
}
