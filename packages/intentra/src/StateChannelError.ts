/**
 * What can go wrong with a state channel at the hands of its user. Payloads of others are counted and dropped instead.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * | reason | when |
 * | --- | --- |
 * | `InvalidOptions` | an option is out of its range; `detail` names it and the range |
 * | `NameTaken` | the transport has a channel of this name (or one that looks the same on the wire) already |
 * | `InvalidKey` | a key is empty, longer than `maxKeyBytes`, or no well-formed text |
 * | `InvalidInterest` | an interest is longer than one message carries |
 * | `ValueTooLarge` | an encoded value is longer than `maxValueBytes` |
 * | `TooManyKeys` | the channel holds `maxKeys` keys already |
 * | `EncodeFailed` | the schema or codec does not encode this value; `cause` says why |
 * | `ChannelClosed` | the channel's scope has ended |
 *
 * @since 0.1.0
 * @category errors
 */
export class StateChannelError extends Data.TaggedError("StateChannelError")<{
  readonly reason:
    | "InvalidOptions"
    | "NameTaken"
    | "InvalidKey"
    | "InvalidInterest"
    | "ValueTooLarge"
    | "TooManyKeys"
    | "EncodeFailed"
    | "ChannelClosed"
  /** What, where, and how to mend it. */
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}
