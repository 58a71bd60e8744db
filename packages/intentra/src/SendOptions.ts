/**
 * How a message is to be sent. Make them once, outside of hot loops.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { Intent } from "./Intent.js"
import * as IntentCode from "./Intent.js"
import type { IntentraError } from "./IntentraError.js"
import { invalidOption } from "./internal/invalidOption.js"

/**
 * How a message is to be sent: intent, priority, time to live.
 *
 * @since 0.1.0
 * @category models
 */
export interface SendOptionsInput {
  /**
   * Default `Realtime`: sent once, at once. `Sequenced`: the latest wins, an older one than the newest delivered is
   * dropped. `Reliable`: in order and exactly once while the session lives. A session that ends takes its unacknowledged
   * Reliable messages with it, also when the same peer goes on in a new one: nobody knows which of them arrived, so none is
   * sent again. The events `PeerClosed` and `PeerRejoined` say how many; what must survive that has a number of the
   * application's own.
   */
  readonly intent?: Intent | undefined
  /** 0 (lowest, the default) to 7. Under overload the oldest of the lowest priority is dropped first. */
  readonly priority?: number | undefined
  /** A message that waits longer than this is dropped instead of sent. Default: never. */
  readonly ttl?: Duration.DurationInput | undefined
}

/**
 * Checked options.
 *
 * @since 0.1.0
 * @category models
 */
export class SendOptions {
  private constructor(
    /** The header's code of the intent. */
    readonly intentCode: number,
    readonly priority: number,
    /** Milliseconds, `Infinity` for no limit. */
    readonly ttlMillis: number
  ) {}

  /** Realtime, priority 0, no ttl. */
  static readonly default: SendOptions = new SendOptions(IntentCode.REALTIME, 0, Infinity)

  /** Throws `IntentraError` (`InvalidOptions`) that names the field and its range. */
  static make(options: SendOptionsInput): SendOptions {
    const intent = options.intent ?? "Realtime"
    const priority = options.priority ?? 0
    const ttl = options.ttl === undefined ? Infinity : Duration.toMillis(options.ttl)
    if (intent !== "Realtime" && intent !== "Sequenced" && intent !== "Reliable") {
      throw invalid(`intent is ${JSON.stringify(intent)}, but must be "Realtime", "Sequenced" or "Reliable"`)
    }
    if (intent === "Reliable" && options.ttl !== undefined) {
      throw invalid("ttl has no meaning for Reliable, which is never dropped: leave it out, or choose another intent")
    }
    if (!Number.isInteger(priority) || priority < 0 || priority > 7) {
      throw invalid(`priority is ${priority}, but must be an integer from 0 (lowest) to 7`)
    }
    if (!(ttl > 0)) throw invalid(`ttl is ${ttl} ms, but must be longer than zero`)
    return new SendOptions(IntentCode.toCode(intent), priority, ttl)
  }

  /** Options as they are, or made from a literal. Throws like {@link SendOptions.make}. */
  static from(options: SendOptions | SendOptionsInput | undefined): SendOptions {
    return options === undefined
      ? SendOptions.default
      : options instanceof SendOptions
      ? options
      : SendOptions.make(options)
  }
}

const invalid = (detail: string): IntentraError => invalidOption(`send options: ${detail}`)
