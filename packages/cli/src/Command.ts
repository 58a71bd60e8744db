/**
 * The commands of the `intentra` program and what their help says. What a command does is loaded when it runs.
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { CliError } from "./CliError.js"

const json = Options.boolean("json").pipe(
  Options.withDescription("Machine-readable output: JSON on standard output, everything else on standard error.")
)

/** An integer within bounds; the error names the option, the value and the bounds. */
const within = (option: string, value: number, least: number, most: number): Effect.Effect<number, CliError> =>
  value >= least && value <= most
    ? Effect.succeed(value)
    : Effect.fail(
      new CliError({
        reason: "InvalidArgument",
        detail: `--${option} is ${value}, but must be from ${least} to ${most}`
      })
    )

/** What a command is for, and how it is used. */
const described = (text: string, examples: ReadonlyArray<string>) =>
  Command.withDescription(HelpDoc.blocks([
    HelpDoc.p(text),
    HelpDoc.h1("EXAMPLES"),
    ...examples.map((example) => HelpDoc.p(`$ ${example}`))
  ]))

const key = Options.text("key").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription("Our static key, as \"intentra keygen\" makes it. Without it, a key for this run only."),
  Options.optional
)

const psk = Options.text("psk").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription(
    "The network's pre-shared key, a file of the same form: who does not have it gets no answer at all."
  ),
  Options.optional
)

const keygen = Command.make(
  "keygen",
  {
    file: Args.text({ name: "FILE" }).pipe(
      Args.withDefault("intentra.key"),
      Args.withDescription("Where the secret key goes; intentra.key in this folder if it is not given.")
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      const { runKeygen } = yield* Effect.promise(() => import("./internal/keygen.js"))
      yield* runKeygen(options)
    })
).pipe(
  described(
    "Makes a static key: writes the secret half to a file that only its owner may read, and prints the public half. " +
      "Never overwrites a file. The file also serves as a network's pre-shared key.",
    ["intentra keygen hub.key", "intentra keygen peer.key >> allowed.keys", "intentra keygen --json network.psk"]
  )
)

const hub = Command.make(
  "hub",
  {
    listen: Options.text("listen").pipe(
      Options.withPseudoName("HOST:PORT"),
      Options.withDefault("127.0.0.1:9000"),
      Options.withDescription("The UDP address to take peers on; 0.0.0.0:9000 or [::]:9000 for all interfaces.")
    ),
    key,
    allow: Options.text("allow").pipe(
      Options.withPseudoName("FILE|any"),
      Options.withDescription("Who may join: a file with one public key per line, or \"any\" for everybody.")
    ),
    metrics: Options.text("metrics").pipe(
      Options.withPseudoName("HOST:PORT"),
      Options.withDescription("Serve /metrics and /healthz there over HTTP. A port alone means the loopback."),
      Options.optional
    ),
    psk,
    print: Options.boolean("print").pipe(
      Options.withDescription("Write every update to standard output, one line each: the peer's name and the text.")
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      const { runHub } = yield* Effect.promise(() => import("./internal/hubCommand.js"))
      yield* runHub(options)
    })
).pipe(
  described(
    "Takes updates from many peers until it gets SIGINT or SIGTERM; then it tells them all and exits 0. Tells who joins " +
      "and leaves, and once a second how much arrives.",
    [
      "intentra hub --key hub.key --allow allowed.keys",
      "intentra hub --listen 0.0.0.0:9000 --key hub.key --allow allowed.keys --metrics 9464",
      "intentra hub --allow any --print"
    ]
  )
)

const peer = Command.make(
  "peer",
  {
    connect: Options.text("connect").pipe(
      Options.withPseudoName("HOST:PORT"),
      Options.withDescription("Where the hub listens.")
    ),
    serverKey: Options.text("server-key").pipe(
      Options.withPseudoName("KEY"),
      Options.withDescription("The hub's public key, in base64: the hub prints it when it starts.")
    ),
    key,
    psk,
    rate: Options.float("rate").pipe(
      Options.withDefault(200),
      Options.withDescription("Updates per second at most; the others wait.")
    ),
    input: Options.text("input").pipe(
      Options.withPseudoName("FILE"),
      Options.withDefault("-"),
      Options.withDescription("Where the updates come from, one per line; - is standard input.")
    ),
    intent: Options.choice("intent", ["realtime", "sequenced", "reliable"]).pipe(
      Options.withDefault("realtime"),
      Options.withDescription(
        "realtime: each update for itself. sequenced: only the latest counts. reliable: all of them, in order."
      )
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      yield* within("rate", options.rate, 0.001, 100_000)
      const { runPeer } = yield* Effect.promise(() => import("./internal/peerCommand.js"))
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

const demo = Command.make(
  "demo",
  {
    peers: Options.integer("peers").pipe(
      Options.withDefault(8),
      Options.withDescription("Peer processes, 1 to 256.")
    ),
    hz: Options.float("hz").pipe(
      Options.withDefault(200),
      Options.withDescription("Updates of each peer per second, 1 to 5000.")
    ),
    duration: Options.float("duration").pipe(
      Options.withDefault(10),
      Options.withDescription("Seconds from when all peers are connected.")
    ),
    port: Options.integer("port").pipe(
      Options.withDefault(0),
      Options.withDescription("The hub's UDP port on the loopback; 0 is any free one.")
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      yield* within("peers", options.peers, 1, 256)
      yield* within("hz", options.hz, 1, 5000)
      yield* within("duration", options.duration, 0.1, 3600)
      yield* within("port", options.port, 0, 65_535)
      const { runDemo } = yield* Effect.promise(() => import("./internal/demo.js"))
      yield* runDemo(options)
    })
).pipe(
  described(
    "Shows the transport at work on this machine: a hub here and peers in processes of their own, over real sockets with " +
      "real keys. Each peer streams the live telemetry of this host. Ends with a summary; exits 1 when less than 99 % of " +
      "the updates arrived.",
    ["intentra demo", "intentra demo --peers 16 --hz 60 --duration 30", "intentra demo --json | tail -n 1"]
  )
)

/**
 * The whole program.
 *
 * @since 0.1.0
 * @category constructors
 */
export const intentra = Command.make("intentra").pipe(
  Command.withDescription("Encrypted real-time UDP: fresh updates between many peers over one socket."),
  Command.withSubcommands([demo, keygen, hub, peer])
)
