/** The two halves of a channel without a transport: peers that keep what is sent, and time that is a number. */
import { Schema } from "effect"
import type { Peer } from "../../src/index.js"
import { SendOptions, SendResult } from "../../src/index.js"
import { jsonCodec } from "../../src/internal/stateCodec.js"
import { StateCore } from "../../src/internal/stateCore.js"
import { StateCounters } from "../../src/internal/stateCounters.js"
import { encodeTerms, everything } from "../../src/internal/stateInterest.js"
import { StateSubscription } from "../../src/internal/stateSubscription.js"
import * as Wire from "../../src/internal/stateWire.js"

const name = new TextEncoder().encode("numbers")
const codec = jsonCodec(Schema.Number)

export const channel = Wire.channelOf(name)

/** SUBSCRIBE of somebody who has nothing yet: to everything, or to what some prefixes begin. */
export const subscribing = (id: number, prefixes?: ReadonlyArray<string>): Uint8Array => {
  const writer = new Wire.WireWriter()
  writer.begin(Wire.SUBSCRIBE, channel, id)
  writer.u8(prefixes === undefined ? Wire.EVERYTHING : 0)
  writer.u32(0)
  writer.u64(0)
  writer.u64(0)
  writer.varint(name.length)
  writer.raw(name)
  writer.raw(encodeTerms([], prefixes ?? []))
  return writer.message().slice()
}

/** A peer whose messages wait in a list until they are carried over. */
export interface FakePeer extends Peer {
  readonly outbox: Array<Uint8Array>
}

export const peer = (number: number, full: () => boolean = () => false): FakePeer => {
  const outbox: Array<Uint8Array> = []
  return {
    id: number.toString(16).padStart(16, "0"),
    publicKey: new Uint8Array(32).fill(number),
    closeReason: undefined,
    maxPayload: () => 1165,
    unsafeSend: (payload: Uint8Array) => {
      if (full()) return SendResult.OVERLOAD
      outbox.push(payload.slice())
      return SendResult.ACCEPTED
    },
    outbox
  } as unknown as FakePeer
}

export interface Limits {
  readonly maxKeys: number
  readonly maxTombstones: number
  readonly maxSubscriptions: number
}

/** One end, that others publish to and subscribe to. */
export class End {
  now = 0
  readonly counters = new StateCounters()
  readonly core: StateCore<number>
  private drawn = 1

  constructor(readonly peers: Array<Peer>, readonly limits: Limits, incarnation = 1) {
    const control = SendOptions.make({ priority: 6 })
    this.core = new StateCore<number>(
      channel,
      control,
      {
        ...this.limits,
        channel,
        name,
        incarnationHigh: incarnation,
        incarnationLow: 0,
        period: 5,
        burst: 10,
        data: SendOptions.default,
        control,
        admit: () => true,
        queued: () => 0,
        queuedFor: (_, answer) => answer(0)
      },
      this.counters,
      () => this.peers,
      () => {}
    )
  }

  publish(key: string, value: number): void {
    const { table } = this.core.publisher
    table.put(table.cells.get(key) ?? table.add(key, new TextEncoder().encode(key)), codec.encode(value), this.now, 1e6)
  }

  /** To one peer, or to all. */
  subscribe(publisher?: Peer): StateSubscription<number> {
    const subscription = new StateSubscription<number>(
      {
        channel,
        name,
        maxKeys: this.limits.maxKeys,
        maxKeyBytes: 32,
        maxValueBytes: 32,
        maxDeletions: this.limits.maxTombstones,
        maxPublishers: 2,
        forgetAfter: 1000,
        control: SendOptions.default,
        decode: codec.decode,
        now: () => this.now,
        drawId: () => this.drawn++,
        wake: () => {}
      },
      this.counters,
      this.core.numbers,
      publisher?.publicKey,
      everything,
      new Uint8Array(0)
    )
    this.core.subscribe(subscription, this.now)
    return subscription
  }

  tick(now: number): void {
    this.now = now
    for (let turn = 0; this.core.tick(now); turn++) if (turn > 1000) throw new Error("a flush without an end")
  }
}
