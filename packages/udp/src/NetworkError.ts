/**
 * What can be wrong with what is asked of a simulated network.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why the network refused.
 *
 * @since 0.1.0
 * @category errors
 */
export type NetworkReason = "InvalidConditions" | "InvalidAddress" | "AddressInUse" | "UnknownAddress"

/**
 * The network refused; nothing was changed. `subject` is what was wrong, `expected` what would be right.
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkError extends Data.TaggedError("NetworkError")<{
  readonly reason: NetworkReason
  readonly subject: string
  readonly expected: string
}> {
  override get message(): string {
    switch (this.reason) {
      case "InvalidConditions":
        return `the network condition ${this.subject} is out of range: give ${this.expected}`
      case "InvalidAddress":
        return `${this.subject} is no address of the simulated network: give ${this.expected}`
      case "AddressInUse":
        return `${this.subject} is bound already in the simulated network: give ${this.expected}`
      case "UnknownAddress":
        return `no socket is bound to ${this.subject} in the simulated network: give ${this.expected}`
    }
  }
}
