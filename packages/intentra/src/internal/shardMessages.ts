/**
 * What the main thread and its workers say to each other on the control plane, by structured clone, and where a record of
 * the data plane has its fields.
 */
import type { SocketAddress } from "@intentra/udp"
import type { MessagePort } from "node:worker_threads"
import type { CloseReason } from "../CloseReason.js"
import type { IntentraOptions, IntentraShape } from "../Intentra.js"
import type { IntentraError } from "../IntentraError.js"
import type { PeerStats } from "../Peer.js"
import type { Settings } from "../TransportOptions.js"

/** There is something in a ring, or room in one. */
export const WAKE = 0

// a record of either ring between the main thread and a worker: who, what, when, then the payload
export const RECORD_PEER = 0
export const RECORD_INTENT = 4
export const RECORD_PRIORITY = 5
/** Upward: when it was received. Downward: when it expires. Milliseconds of the transport's clock. */
export const RECORD_TIME = 8
export const RECORD_PAYLOAD = 16

// 32-bit numbers of one peer, written by its worker
export const PEER_NUMBERS = 2
/** How many Reliable messages the main thread may have sent since the session began, modulo 2^32. */
export const GRANTED = 0
/** The longest datagram that the path is known to carry. */
export const DATAGRAM_BYTES = 1

/** Numbers of the table of identities that may have a session: a power of two. */
export const IDENTITIES = 16_384

export type ToWorker =
  /** The port that the first worker was given: the others bind it too. */
  | { readonly type: "bind"; readonly port: number }
  | {
    readonly type: "connect"
    readonly id: number
    readonly address: Uint8Array
    readonly remoteKey: Uint8Array | undefined
    readonly quick: boolean
  }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "close"; readonly peer: number; readonly reason: CloseReason }
  | { readonly type: "stats"; readonly id: number; readonly peer: number }
  /** Whether the peer has been heard lately. */
  | { readonly type: "live"; readonly id: number; readonly peer: number }
  /** The main thread waits until the peer's Reliable window has room. */
  | { readonly type: "want"; readonly peer: number }
  | { readonly type: "verdict"; readonly id: number; readonly admitted: boolean }
  | { readonly type: "end" }

/** A session as the worker tells of it: `peer` names it from now on. */
export interface Introduction {
  readonly peer: number
  /** Where its numbers stand. */
  readonly slot: number
  readonly id: string
  readonly publicKey: Uint8Array
  readonly initiator: boolean
  readonly address: SocketAddress
}

/** An error that can be cloned. */
export type Failure = Pick<IntentraError, "reason" | "detail" | "closeReason">

export type FromWorker =
  | {
    readonly type: "ready"
    readonly address: SocketAddress
    readonly publicKey: Uint8Array
    readonly socketKind: IntentraShape["socketKind"]
    readonly cryptoKind: IntentraShape["cryptoKind"]
  }
  | { readonly type: "failed"; readonly failure: Failure }
  | { readonly type: "ended" }
  | ({ readonly type: "active" } & Introduction)
  | {
    readonly type: "closed"
    readonly peer: number
    readonly reason: CloseReason
    readonly byPeer: boolean
    readonly text: string
    /** Nothing of it stands in the ring from here on. */
    readonly position: number
    readonly stats: PeerStats
    readonly unacknowledged: number
    /** Reliable messages of the main thread that the worker has taken, modulo 2^32. */
    readonly taken: number
  }
  | { readonly type: "roamed"; readonly peer: number; readonly from: SocketAddress; readonly to: SocketAddress }
  | {
    readonly type: "rejoined"
    readonly peer: number
    readonly address: SocketAddress
    readonly unacknowledged: number
  }
  | { readonly type: "rekeyed"; readonly peer: number }
  | { readonly type: "connectFailed"; readonly address: SocketAddress; readonly reason: CloseReason }
  | { readonly type: "overloaded"; readonly queue: "Deliveries" | "SendQueue"; readonly dropped: number }
  | { readonly type: "connected"; readonly id: number; readonly peer: number }
  | { readonly type: "refused"; readonly id: number; readonly failure: Failure }
  | { readonly type: "stats"; readonly id: number; readonly stats: PeerStats | undefined }
  | { readonly type: "live"; readonly id: number; readonly live: boolean }
  | { readonly type: "room"; readonly peer: number }
  | { readonly type: "ask"; readonly id: number; readonly publicKey: Uint8Array; readonly address: SocketAddress }
  | { readonly type: "log"; readonly level: "Debug" | "Info" | "Warning" | "Error"; readonly text: string }

/** What one worker shares with another. */
export interface NeighbourData {
  readonly port: MessagePort
  readonly outgoing: SharedArrayBuffer
  readonly incoming: SharedArrayBuffer
}

/** What is shared by all threads. */
export interface CommonMemory {
  /** See `AdmissionTable`. */
  readonly admissions: SharedArrayBuffer
  /** Sessions of each worker, and handshakes of its own. */
  readonly sessions: SharedArrayBuffer
  /** How many sessions there are of the identities that a hash leads to. */
  readonly identities: SharedArrayBuffer
}

/** The options that a worker makes its concerns from: all that can be cloned. */
export type WorkerOptions =
  & Pick<
    IntentraOptions,
    | "allow"
    | "burst"
    | "forgeriesPerSecond"
    | "forgeryBurst"
    | "gate"
    | "keyLog"
    | "packetsPerSecond"
    | "replayWindow"
    | "socket"
    | "strikeLimit"
  >
  & { readonly host: string; readonly port: number; readonly strikeWindow: number | undefined }

/** What a worker begins with. Its buffers of secrets are its own: it overwrites them. */
export interface WorkerData {
  readonly index: number
  readonly settings: Settings
  readonly options: WorkerOptions
  readonly key: Uint8Array
  readonly psk: Uint8Array | undefined
  readonly cookieRoot: Uint8Array
  readonly seed: number
  /** Whether the main thread decides who may join. */
  readonly asks: boolean
  /** The system's monotonic clock, in ms, when the transport's clock stood at 0. */
  readonly clockOrigin: number
  readonly port: MessagePort
  readonly neighbours: ReadonlyArray<NeighbourData | undefined>
  readonly common: CommonMemory
  readonly up: SharedArrayBuffer
  readonly down: SharedArrayBuffer
  readonly peers: SharedArrayBuffer
  readonly counters: SharedArrayBuffer
  readonly hold: SharedArrayBuffer
}
