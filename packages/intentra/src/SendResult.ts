/**
 * What `unsafeSend` answers: a number, so that a hot loop allocates nothing.
 *
 * @since 0.1.0
 */

/**
 * One of the five constants below.
 *
 * @since 0.1.0
 * @category models
 */
export type SendResult = 0 | 1 | 2 | 3 | 4

/**
 * In the queue, to leave with the next flush.
 *
 * @since 0.1.0
 * @category constants
 */
export const ACCEPTED = 0
/**
 * The session has ended.
 *
 * @since 0.1.0
 * @category constants
 */
export const SESSION_CLOSED = 1
/**
 * Longer than `peer.maxPayload(intent)`.
 *
 * @since 0.1.0
 * @category constants
 */
export const PAYLOAD_TOO_LARGE = 2
/**
 * The send queue is full of more urgent messages.
 *
 * @since 0.1.0
 * @category constants
 */
export const OVERLOAD = 3
/**
 * Reliable only: 256 messages are unacknowledged already. Nothing is dropped; try again later, or use `send`, which waits.
 *
 * @since 0.1.0
 * @category constants
 */
export const WOULD_BLOCK = 4
