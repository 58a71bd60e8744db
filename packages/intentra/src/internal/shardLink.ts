import { MessageChannel, type MessagePort, Worker } from "node:worker_threads"
import { COUNTERS } from "./shardCounters.js"
import { IDENTITIES, PEER_NUMBERS } from "./shardMessages.js"
import type { CommonMemory, NeighbourData, WorkerData } from "./shardMessages.js"
import type { ShardPeer } from "./shardPeer.js"
import { ShardRing } from "./shardRing.js"

const UP_BYTES = 4 * 2 ** 20
const DOWN_BYTES = 2 * 2 ** 20
const NEIGHBOUR_BYTES = 2 ** 18
/** Sessions above the limit that a worker may have until the main thread has closed them. */
const MARGIN = 1024

/** One worker as the main thread knows it. */
export interface ShardLink {
  readonly index: number
  readonly worker: Worker
  readonly port: MessagePort
  readonly up: ShardRing
  readonly down: ShardRing
  readonly peers: Int32Array
  readonly counters: Float64Array
  readonly byNumber: Map<number, ShardPeer>
  /** Ended sessions whose last messages may still be in the ring. */
  readonly fading: Array<{ readonly peer: number; readonly position: number }>
  /** It serves its socket. */
  ready: boolean
  /** It has said its last word. */
  ended: boolean
  /** It will be woken at the end of this turn. */
  waking: boolean
}

/** What all links have in common. */
export interface ShardMemories {
  readonly links: ReadonlyArray<ShardLink>
  readonly identities: Int32Array
  /** Not 0 while the consumer of deliveries has no room for Reliable. */
  readonly hold: Int32Array
}

export type WorkerPlan = Omit<
  WorkerData,
  "index" | "port" | "neighbours" | "common" | "up" | "down" | "peers" | "counters" | "hold"
>

const shared = (numbers: number, bytes = 4): SharedArrayBuffer => new SharedArrayBuffer(numbers * bytes)

/** A copy that can be given away. */
const copyOf = (secret: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(secret)

/** Starts workers, each with its own copy of the secrets, which moves there. */
export const startWorkers = (count: number, plan: WorkerPlan): ShardMemories => {
  const common: CommonMemory = {
    admissions: shared(1 + 4096),
    sessions: shared(count),
    identities: shared(IDENTITIES)
  }
  const hold = shared(1)
  const neighbours: Array<Array<NeighbourData | undefined>> = Array.from(
    { length: count },
    () => new Array<NeighbourData | undefined>(count).fill(undefined)
  )
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      const { port1, port2 } = new MessageChannel()
      const there = ShardRing.allocate(NEIGHBOUR_BYTES)
      const back = ShardRing.allocate(NEIGHBOUR_BYTES)
      neighbours[a][b] = { port: port1, outgoing: there, incoming: back }
      neighbours[b][a] = { port: port2, outgoing: back, incoming: there }
    }
  }
  const links = neighbours.map((own, index): ShardLink => {
    const { port1, port2 } = new MessageChannel()
    const data: WorkerData = {
      ...plan,
      key: copyOf(plan.key),
      psk: plan.psk === undefined ? undefined : copyOf(plan.psk),
      cookieRoot: copyOf(plan.cookieRoot),
      index,
      port: port2,
      neighbours: own,
      common,
      up: ShardRing.allocate(UP_BYTES),
      down: ShardRing.allocate(DOWN_BYTES),
      peers: shared((plan.settings.maxSessions + MARGIN) * PEER_NUMBERS),
      counters: shared(COUNTERS, 8),
      hold
    }
    const secrets = [data.key, data.cookieRoot, ...data.psk === undefined ? [] : [data.psk]]
    const worker = new Worker(new URL("./shardWorker.mjs", import.meta.url), {
      name: `intentra ${index}`,
      workerData: data,
      transferList: [
        port2,
        ...own.flatMap((neighbour) => neighbour === undefined ? [] : [neighbour.port]),
        ...secrets.map(({ buffer }) => buffer as ArrayBuffer)
      ]
    })
    return {
      index,
      worker,
      port: port1,
      up: new ShardRing(data.up),
      down: new ShardRing(data.down),
      peers: new Int32Array(data.peers),
      counters: new Float64Array(data.counters),
      byNumber: new Map(),
      fading: [],
      ready: false,
      ended: false,
      waking: false
    }
  })
  return { links, identities: new Int32Array(common.identities), hold: new Int32Array(hold) }
}

/** Where an identity is counted among those that may have a session. */
export const identityPlace = (identityKey: string): number =>
  (identityKey.charCodeAt(0) | (identityKey.charCodeAt(1) << 8)) & (IDENTITIES - 1)
