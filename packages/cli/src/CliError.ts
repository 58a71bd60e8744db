/**
 * Everything that ends a command of the `intentra` program with exit code 1.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * | reason | when |
 * | --- | --- |
 * | `InvalidArgument` | an option's value cannot be used |
 * | `KeyFile` | a key file or an allow-list cannot be written or read |
 * | `Input` | the file with the updates cannot be read |
 * | `Http` | the address for HTTP cannot be bound, or a hub does not answer there |
 * | `Transport` | the transport could not start, or died |
 * | `Refused` | the hub does not admit us, is not the one that was asked for, or never answers |
 * | `Peers` | peer processes of the demo could not start, or died |
 * | `Delivery` | fewer updates arrived than was promised |
 * | `Scenario` | the file of a simulation cannot be used |
 * | `Replay` | a recording cannot be replayed, or the replay differs |
 * | `Broken` | the doctor found something that does not work |
 * | `Bench` | the benchmarks are not there, or failed |
 *
 * @since 0.1.0
 * @category errors
 */
export class CliError extends Data.TaggedError("CliError")<{
  readonly reason:
    | "InvalidArgument"
    | "KeyFile"
    | "Input"
    | "Http"
    | "Transport"
    | "Refused"
    | "Peers"
    | "Delivery"
    | "Scenario"
    | "Replay"
    | "Broken"
    | "Bench"
  /** One line: what, where, and how to mend it. */
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}
