import { LinuxSocket } from "@intentra/ffi"
import { ReceiveBatch } from "../DatagramBatch.js"

type Sockets = Pick<LinuxSocket.LinuxSockets, "recvmmsg">

/** Messages of one read. */
export const MESSAGES = 64

/** More than any message has. */
const BUFFER_BYTES = 64 * 1024

/** What the kernel puts into a message at most: UDP_MAX_SEGMENTS of its newer versions. */
export const MAX_SEGMENTS = 128

/** Spaces kept for the next read. */
const KEPT = 4

const kept = new WeakMap<Sockets, Array<ReceiveSpace>>()

/**
 * Room for what one read brings, and the batch that shows it. A socket has it from its read until all of it was handled,
 * mostly within a turn: so all sockets of a thread share a few, which stay in the processor's caches.
 *
 * @internal
 */
export class ReceiveSpace {
  readonly messages: LinuxSocket.ReceiveMessages
  readonly batch: ReceiveBatch

  static take(sockets: Sockets): ReceiveSpace {
    return kept.get(sockets)?.pop() ?? new ReceiveSpace(sockets)
  }

  private constructor(private readonly sockets: Sockets) {
    this.messages = new LinuxSocket.ReceiveMessages(sockets, MESSAGES, BUFFER_BYTES)
    this.batch = new ReceiveBatch(MESSAGES * MAX_SEGMENTS, this.messages.arena, MESSAGES)
  }

  /** All that was in it has been handled. */
  give(): void {
    const others = kept.get(this.sockets)
    if (others === undefined) kept.set(this.sockets, [this])
    else if (others.length < KEPT) others.push(this)
  }
}
