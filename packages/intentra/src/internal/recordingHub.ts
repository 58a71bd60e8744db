import type { UdpSocketShape } from "@intentra/udp"
import type { AuthorizerShape } from "../Authorizer.js"
import * as CloseReason from "../CloseReason.js"
import type { IntentraError } from "../IntentraError.js"
import { MAX_PACKET_BYTES } from "../PacketHeader.js"
import type { SendResult } from "../SendResult.js"
import type { TransportCounters } from "../TransportCounters.js"
import type { Settings } from "../TransportOptions.js"
import { writeU16, writeU32 } from "./bytes.js"
import type { Services } from "./core.js"
import { Hub } from "./hub.js"
import type { HubOutput, Waiting } from "./hub.js"
import type { Connecting } from "./initiator.js"
import type { Session } from "./session.js"
import { recordSocket } from "./tape.js"
import type { Tape } from "./tape.js"
import * as Format from "./tapeFormat.js"

const KEY_BYTES = 32
const U16_MAX = 0xffff

/**
 * A hub that records all that makes it do something. Its services' entropy must be on the same tape.
 *
 * User code runs in three places while the hub works: the handler of deliveries, the authorizer, and the effect that an
 * authorizer answered with, up to its first pause. Everything else is told to users through fibers, which run later.
 */
export class RecordingHub extends Hub {
  constructor(
    private readonly tape: Tape,
    socket: UdpSocketShape,
    settings: Settings,
    services: Services,
    authorizer: AuthorizerShape,
    counters: TransportCounters,
    output: HubOutput
  ) {
    super(
      recordSocket(socket, tape),
      settings,
      services,
      recordAuthorizer(authorizer, tape),
      counters,
      { ...output, decide: recordDecide(output.decide, tape) }
    )
    const { hasLastRoom, hasRoom, onMessage } = this
    const told = (answer: boolean): boolean => {
      tape.byte(Format.ROOM, answer ? 1 : 0)
      return answer
    }
    this.hasRoom = (session, length) => told(hasRoom(session, length))
    this.hasLastRoom = () => told(hasLastRoom())
    this.onMessage = (session, bytes, offset, length, intent, now) => {
      const outer = tape.openWindow()
      try {
        onMessage(session, bytes, offset, length, intent, now)
      } finally {
        tape.closeWindow(outer)
      }
    }
    tape.ready()
  }

  override enqueue(
    session: Session,
    payload: Uint8Array,
    intent: number,
    priority: number,
    ttl: number
  ): SendResult {
    const { tape } = this
    // a payload that is too long for any datagram is refused by its length
    const stored = payload.length > MAX_PACKET_BYTES ? 0 : payload.length
    const at = tape.input(Format.SEND, 18 + stored)
    if (at >= 0) {
      const { chunk, view } = tape.writer
      writeU32(chunk, at, session.connId)
      chunk[at + 4] = intent
      chunk[at + 5] = priority
      view.setFloat64(at + 6, ttl)
      writeU16(chunk, at + 14, Math.min(payload.length, U16_MAX))
      writeU16(chunk, at + 16, stored)
      if (stored > 0) chunk.set(payload, at + 18)
    }
    const was = tape.enter()
    try {
      return super.enqueue(session, payload, intent, priority, ttl)
    } finally {
      tape.leave(was)
    }
  }

  override connect(
    address: Uint8Array,
    remoteKey: Uint8Array | undefined,
    waiting: Waiting,
    quick = false
  ): Connecting {
    const { tape } = this
    const at = tape.input(Format.CONNECT, address.length + 1 + KEY_BYTES)
    if (at >= 0) {
      const { chunk } = tape.writer
      chunk.set(address, at)
      chunk[at + address.length] = (remoteKey === undefined ? 0 : Format.PINNED) | (quick ? Format.QUICK : 0)
      chunk.set(remoteKey ?? new Uint8Array(KEY_BYTES), at + address.length + 1)
    }
    const was = tape.enter()
    try {
      return super.connect(address, remoteKey, waiting, quick)
    } finally {
      tape.leave(was)
    }
  }

  override cancel(connecting: Connecting): void {
    const { tape } = this
    const at = tape.input(Format.CANCEL, 4)
    if (at >= 0) writeU32(tape.writer.chunk, at, connecting.connId)
    const was = tape.enter()
    try {
      super.cancel(connecting)
    } finally {
      tape.leave(was)
    }
  }

  override close(session: Session, reason: CloseReason.CloseReason): void {
    const { tape } = this
    const at = tape.input(Format.CLOSE, 5)
    if (at >= 0) {
      writeU32(tape.writer.chunk, at, session.connId)
      tape.writer.chunk[at + 4] = CloseReason.toCode(reason)
    }
    const was = tape.enter()
    try {
      super.close(session, reason)
    } finally {
      tape.leave(was)
    }
  }

  override resume(): void {
    const { tape } = this
    // most of the time nothing is held back, and nothing happens
    if (this.protocol.core.stalled.size === 0) return
    tape.input(Format.RESUME, 0)
    const was = tape.enter()
    try {
      super.resume()
    } finally {
      tape.leave(was)
    }
  }

  override end(why: IntentraError | "scope"): void {
    const { tape } = this
    if (this.ended !== undefined) return
    tape.input(Format.END, 0)
    const was = tape.enter()
    try {
      super.end(why)
    } finally {
      tape.leave(was)
    }
  }
}

const recordAuthorizer = (inner: AuthorizerShape, tape: Tape): AuthorizerShape => ({
  authorize: (publicKey, address) => {
    let answer = Format.VERDICT_NO
    const outer = tape.openWindow()
    try {
      const verdict = inner.authorize(publicKey, address)
      answer = typeof verdict !== "boolean" ? Format.VERDICT_LATER : verdict ? Format.VERDICT_YES : Format.VERDICT_NO
      return verdict
    } finally {
      tape.closeWindow(outer)
      tape.byte(Format.AUTHORIZE, answer)
    }
  }
})

const recordDecide = (inner: HubOutput["decide"], tape: Tape): HubOutput["decide"] => (verdict, done) => {
  const question = tape.nextQuestion()
  const outer = tape.openWindow()
  try {
    inner(verdict, (admitted) => {
      const at = tape.input(Format.VERDICT, 5)
      if (at >= 0) {
        writeU32(tape.writer.chunk, at, question)
        tape.writer.chunk[at + 4] = admitted ? 1 : 0
      }
      const was = tape.enter()
      try {
        done(admitted)
      } finally {
        tape.leave(was)
      }
    })
  } finally {
    tape.closeWindow(outer)
  }
}
