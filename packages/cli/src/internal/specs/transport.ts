/** The commands that open a transport of their own. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import {
  allow,
  config,
  connect,
  described,
  json,
  key,
  listen as listenOption,
  logFormat,
  positional,
  psk,
  serverKey,
  within
} from "./common.js"

const intent = (fallback: string) =>
  Options.choice("intent", ["realtime", "sequenced", "reliable"]).pipe(
    Options.withDescription(
      "realtime: each update for itself. sequenced: only the latest counts. reliable: all of them, in order. " +
        `${fallback} if nothing says otherwise.`
    ),
    Options.optional
  )

export const hub = Command.make(
  "hub",
  {
    listen: listenOption,
    key,
    allow,
    metrics: Options.text("metrics").pipe(
      Options.withPseudoName("HOST:PORT"),
      Options.withDescription(
        "Serve a live page, /metrics, /healthz, /readyz, /peers and /stats there over HTTP. A port alone means the " +
          "loopback. Nothing there is authenticated."
      ),
      Options.optional
    ),
    psk,
    print: Options.boolean("print").pipe(
      Options.withDescription("Write every update to standard output, one line each: the peer's name and the text.")
    ),
    drain: Options.text("drain").pipe(
      Options.withPseudoName("DURATION"),
      Options.withDescription(
        "How long /readyz answers 503 before the peers are told that the hub ends; no time if it is not given."
      ),
      Options.optional
    ),
    config,
    logFormat,
    json
  },
  (options) =>
    Effect.gen(function*() {
      const { runHub } = yield* Effect.promise(() => import("../hubCommand.js"))
      yield* runHub(options)
    })
).pipe(
  described(
    "Takes updates from many peers until it gets SIGINT or SIGTERM; then it tells them all and exits 0. Tells who joins " +
      "and leaves, and once a second how much arrives. SIGHUP makes it read the allow-list again: sessions of keys that " +
      "are gone end, and a list that cannot be read changes nothing.",
    [
      "intentra hub --key hub.key --allow allowed.keys",
      "intentra hub --listen 0.0.0.0:9000 --key hub.key --allow allowed.keys --metrics 9464",
      "intentra hub --allow any --print",
      "INTENTRA_KEY_FILE=hub.key intentra hub --config hub.json"
    ]
  )
)

export const listen = Command.make(
  "listen",
  {
    listen: listenOption,
    key,
    allow,
    psk,
    count: Options.integer("count").pipe(
      Options.withDescription("End after so many messages; 0, the default, goes on until it is interrupted."),
      Options.withDefault(0)
    ),
    config,
    logFormat,
    json
  },
  (options) =>
    Effect.gen(function*() {
      yield* within("count", options.count, 0, Number.MAX_SAFE_INTEGER)
      const { runListen } = yield* Effect.promise(() => import("../listenCommand.js"))
      yield* runListen(options)
    })
).pipe(
  described(
    "Writes every message that arrives to standard output: the text alone, one line each, or one JSON object each with " +
      "who sent it. The other end of \"intentra send\".",
    [
      "intentra listen --key hub.key --allow allowed.keys",
      "intentra listen --allow any --listen 127.0.0.1:9000 --count 1 --json"
    ]
  )
)

export const peer = Command.make(
  "peer",
  {
    connect,
    serverKey,
    key,
    psk,
    rate: Options.float("rate").pipe(
      Options.withDescription("Updates per second at most; the others wait. 200 if nothing says otherwise."),
      Options.optional
    ),
    input: Options.text("input").pipe(
      Options.withPseudoName("FILE"),
      Options.withDefault("-"),
      Options.withDescription("Where the updates come from, one per line; - is standard input.")
    ),
    intent: intent("realtime"),
    config,
    logFormat,
    json
  },
  (options) =>
    Effect.gen(function*() {
      const { runPeer } = yield* Effect.promise(() => import("../peerCommand.js"))
      yield* runPeer(options)
    })
).pipe(
  described(
    "Sends each line of its input to a hub as one update, and exits 0 when the input ends. Connects again when the " +
      "session is lost; exits 1 when the hub does not admit our key or is not the one that was asked for.",
    [
      "intentra peer --connect 127.0.0.1:9000 --server-key KEY --key peer.key",
      "vmstat 1 | intentra peer --connect hub.example:9000 --server-key KEY --key peer.key --intent sequenced"
    ]
  )
)

export const send = Command.make(
  "send",
  {
    message: positional("MESSAGE").pipe(
      Args.withDescription("The message; without it, each line of standard input is one."),
      Args.optional
    ),
    connect,
    serverKey,
    key,
    psk,
    intent: intent("reliable"),
    timeout: Options.float("timeout").pipe(
      Options.withPseudoName("SECONDS"),
      Options.withDescription("How long the hub may stay silent before we give up."),
      Options.withDefault(10)
    ),
    config,
    logFormat,
    json
  },
  (options) =>
    Effect.gen(function*() {
      yield* within("timeout", options.timeout, 0.1, 3600)
      const { runSend } = yield* Effect.promise(() => import("../sendCommand.js"))
      yield* runSend(options)
    })
).pipe(
  described(
    "Sends one message, or every line of its input, over one session. Exits 0 when the hub has acknowledged all of them, " +
      "and 1 when it has not; what is not sent reliably is never acknowledged, and counts when it has left.",
    [
      "intentra send --connect 127.0.0.1:9000 --server-key KEY --key peer.key \"restart now\"",
      "intentra send --connect 127.0.0.1:9000 --server-key KEY --key peer.key < commands.txt && echo arrived"
    ]
  )
)
