/**
 * The one error of this package.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why an operation was refused. A failed operation leaves the state as it was before the call.
 *
 * @since 0.1.0
 * @category errors
 */
export type NoiseErrorReason =
  | "InvalidProtocolName"
  | "MissingKey"
  | "UnexpectedKey"
  | "InvalidKeyLength"
  | "OutOfTurn"
  | "MessageTooLong"
  | "MessageTooShort"
  | "DecryptFailed"
  | "InvalidPublicKey"
  | "InvalidNonce"
  | "NonceExhausted"
  | "HandshakeIncomplete"
  | "HandshakeComplete"
  | "AlreadySplit"
  | "OneWay"
  | "Destroyed"

const remedies: { readonly [R in NoiseErrorReason]: string } = {
  InvalidProtocolName: "Write it as Noise_XX_25519_AESGCM_SHA256 or Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2s",
  MissingKey: "Pass it in the options",
  UnexpectedKey: "Leave it out, or choose a pattern that uses it",
  InvalidKeyLength: "Pass the raw 32 bytes",
  OutOfTurn: "Messages alternate, beginning with the initiator's",
  MessageTooLong: "Split the payload: a Noise message has at most 65,535 bytes, its keys and tags included",
  MessageTooShort: "Discard the message: it was cut, or belongs to another protocol",
  DecryptFailed: "Discard the message: it was altered, or keys, prologue or protocol differ between the parties",
  InvalidPublicKey: "Abandon the handshake: the remote key is a point of low order",
  InvalidNonce: "Pass an integer of 0 to 2^64-1, as a bigint above 2^53-1",
  NonceExhausted: "Delete the cipher state and make a new handshake",
  HandshakeIncomplete: "Exchange the remaining messages first",
  HandshakeComplete: "Call split and use its cipher states",
  AlreadySplit: "Keep the result of the first split or splitKeys",
  OneWay: "In a one-way pattern only the initiator sends",
  Destroyed: "Make a new one"
}

/**
 * A refused operation: `reason` is the closed set to branch on, `operation` the method that was called, `detail` what
 * was wrong. `part` names the offending input (`"staticKey"`, `"pattern"`, `"cipher"` ...) and `allowed` its accepted
 * values, where there are any. It never holds key material.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoiseError extends Data.TaggedError("NoiseError")<{
  readonly reason: NoiseErrorReason
  readonly operation: string
  readonly detail: string
  readonly part?: string
  readonly allowed?: ReadonlyArray<string>
  readonly cause?: unknown
}> {
  /**
   * @since 0.1.0
   */
  override get message(): string {
    return `${this.operation}: ${this.detail}. ${remedies[this.reason]}.`
  }
}
