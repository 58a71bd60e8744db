import { MAX_PACKET_BYTES } from "../PacketHeader.js"

/** Of this thread, for whoever opens packets next: one in use for each hub whose handler runs inside of another's. */
const kept: Array<Scratch> = []

/**
 * Where packets are opened whose messages a handler sees during its call only. All hubs of a thread share it: hundreds of
 * them, each with a few packets a turn, find it in the processor's caches.
 */
export class Scratch {
  readonly bytes = new Uint8Array(MAX_PACKET_BYTES)
  /** What handlers were given of it, by where it begins. */
  private readonly views: Array<Uint8Array | undefined> = Array.from({ length: MAX_PACKET_BYTES })

  static take(): Scratch {
    return kept.pop() ?? new Scratch()
  }

  private constructor() {}

  give(): void {
    // a handler that has transferred what it was lent costs its own hub a few packets, not all hubs all of theirs
    if (this.bytes.length > 0) kept.push(this)
  }

  /** A view for the time of a call: messages that begin where others began before need no new one. */
  viewOf(offset: number, length: number): Uint8Array {
    const known = this.views[offset]
    if (known !== undefined && known.length === length) return known
    const view = new Uint8Array(this.bytes.buffer, offset, length)
    this.views[offset] = view
    return view
  }
}
