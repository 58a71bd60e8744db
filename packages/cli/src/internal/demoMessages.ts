/** What the demo and its peer processes tell each other over the IPC channel. */

export type ToPeer =
  | {
    readonly type: "connect"
    readonly index: number
    readonly host: string
    readonly port: number
    readonly hubKey: string
    readonly secretKey: string
  }
  | { readonly type: "go"; readonly hz: number; readonly durationMs: number; readonly phaseMs: number }
  | { readonly type: "stop" }

export type FromPeer =
  /** The process listens to messages. */
  | { readonly type: "ready" }
  | { readonly type: "connected" }
  /** Updates that the transport took so far. */
  | { readonly type: "progress"; readonly sent: number }
  /** All of them have left; `drops` counts this end's, by reason. */
  | { readonly type: "done"; readonly sent: number; readonly drops: { readonly [reason: string]: number } }
  | { readonly type: "failed"; readonly message: string }
