/** `intentra top`: a running hub, as its HTTP server shows it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CliError } from "../CliError.js"
import type { Peers, Stats } from "./hubState.js"
import { withScreen } from "./screen.js"
import type { Screen } from "./screen.js"
import { Settings } from "./settings.js"
import { writeJson } from "./terminal.js"
import { screenOf, summaryOf } from "./topScreen.js"
import type { Look } from "./topScreen.js"

export interface TopOptions {
  readonly url: Option.Option<string>
  /** Seconds. */
  readonly interval: number
  readonly once: boolean
  readonly config: Option.Option<string>
  readonly json: boolean
}

const ANSWER_MS = 5000
const DEFAULT_URL = "http://127.0.0.1:9464"
/** What `--once --json` asks for, and a screen can show. */
const PEERS = 100

const parseUrl = (text: string): URL | undefined => {
  try {
    // HOST:PORT and PORT, as --metrics has them
    const full = /^\d+$/.test(text) ? `http://127.0.0.1:${text}` : text.includes("://") ? text : `http://${text}`
    const url = new URL(full)
    return url.protocol === "http:" || url.protocol === "https:" ? url : undefined
  } catch {
    return undefined
  }
}

const failed = (url: URL, why: string, cause?: unknown): CliError =>
  new CliError({
    reason: "Http",
    detail: `${url.origin} ${why}: is a hub running there, with --metrics?`,
    cause
  })

const whyOf = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const code = typeof inner === "object" && inner !== null && "code" in inner ? String(inner.code) : ""
  return code === "ECONNREFUSED" ? "refuses the connection" : `does not answer (${code || String(cause)})`
}

const get = <A>(base: URL, path: string, isRight: (value: unknown) => value is A): Effect.Effect<A, CliError> =>
  Effect.gen(function*() {
    const { body, status } = yield* Effect.tryPromise({
      try: async () => {
        const response = await fetch(new URL(path, base), { signal: AbortSignal.timeout(ANSWER_MS) })
        return { status: response.status, body: await response.text() }
      },
      catch: (cause) => failed(base, whyOf(cause), cause)
    })
    let value: unknown
    try {
      value = JSON.parse(body)
    } catch {
      value = undefined
    }
    return status === 200 && isRight(value) ? value : yield* failed(base, `answers ${path} otherwise than a hub does`)
  })

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const isStats = (value: unknown): value is Stats => isObject(value) && "phase" in value && "sample" in value

const isPeers = (value: unknown): value is Peers => isObject(value) && Array.isArray(value.peers)

const look = (base: URL, limit: number): Effect.Effect<Look, CliError> =>
  Effect.all({
    stats: get(base, "/stats", isStats),
    peers: get(base, `/peers?limit=${limit}`, isPeers)
  }, { concurrency: "unbounded" })

/** Without a terminal: one line, or one object, each time. */
const lines = (base: URL, { interval, json, once }: TopOptions): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    for (;;) {
      const seen = yield* look(base, PEERS)
      if (json) writeJson({ ...seen.stats, peers: seen.peers })
      else process.stdout.write(once ? `${screenOf(seen, Infinity, Infinity).join("\n")}\n` : `${summaryOf(seen)}\n`)
      if (once) return
      yield* Effect.sleep(interval * 1000)
    }
  })

/** Until it is interrupted or q is pressed. A hub that does not answer may come back. */
const live = (base: URL, { interval }: TopOptions) => (screen: Screen): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    // nothing to show at all is an error, not an empty screen
    let seen = yield* look(base, screen.rows)
    let trouble = ""
    for (;;) {
      const [first, ...rest] = screenOf(seen, screen.rows, screen.columns)
      screen.draw([trouble === "" ? first : `${trouble}; what it was:`, ...rest])
      yield* Effect.sleep(interval * 1000)
      const next = yield* Effect.either(look(base, screen.rows))
      trouble = next._tag === "Left" ? next.left.message : ""
      if (next._tag === "Right") seen = next.right
    }
  })

export const runTop = (options: TopOptions): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const settings = yield* Settings.open(options.config)
    const url = yield* settings.get("url", options.url, "an address such as http://127.0.0.1:9464", parseUrl)
    const base = Option.getOrElse(url, () => new URL(DEFAULT_URL))
    const isLive = process.stdout.isTTY && process.env.TERM !== "dumb" && !options.json && !options.once
    yield* isLive ? withScreen(live(base, options)) : lines(base, options)
  })
