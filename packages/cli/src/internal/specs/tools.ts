/** The other commands: keys, the demo, and looking at what runs. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { config, described, json, positional, within } from "./common.js"

export const keygen = Command.make(
  "keygen",
  {
    file: positional("FILE").pipe(
      Args.withDefault("intentra.key"),
      Args.withDescription("Where the secret key goes; intentra.key in this folder if it is not given.")
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      const { runKeygen } = yield* Effect.promise(() => import("../keygen.js"))
      yield* runKeygen(options)
    })
).pipe(
  described(
    "Makes a static key: writes the secret half to a file that only its owner may read, and prints the public half. " +
      "Never overwrites a file. The file also serves as a network's pre-shared key.",
    ["intentra keygen hub.key", "intentra keygen peer.key >> allowed.keys", "intentra keygen --json network.psk"]
  )
)

export const demo = Command.make(
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
      const { runDemo } = yield* Effect.promise(() => import("../demo.js"))
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

export const top = Command.make(
  "top",
  {
    url: Options.text("url").pipe(
      Options.withPseudoName("URL"),
      Options.withDescription(
        "Where the hub serves HTTP, as its --metrics says; http://127.0.0.1:9464 if nothing says otherwise."
      ),
      Options.optional
    ),
    interval: Options.float("interval").pipe(
      Options.withPseudoName("SECONDS"),
      Options.withDescription("How often it looks, 0.2 to 3600."),
      Options.withDefault(1)
    ),
    once: Options.boolean("once").pipe(Options.withDescription("Look once and end.")),
    config,
    json
  },
  (options) =>
    Effect.gen(function*() {
      yield* within("interval", options.interval, 0.2, 3600)
      const { runTop } = yield* Effect.promise(() => import("../topCommand.js"))
      yield* runTop(options)
    })
).pipe(
  described(
    "Shows what a running hub does, live: rates, delivery, drops by reason, the longest turn, and its peers. Reads what " +
      "the hub serves with --metrics. Ends with q or Ctrl-C.",
    ["intentra top", "intentra top --url http://127.0.0.1:9464 --interval 5", "intentra top --once --json"]
  )
)

export const doctor = Command.make(
  "doctor",
  {
    port: Options.integer("port").pipe(
      Options.withDefault(9000),
      Options.withDescription("The UDP port that hints about firewalls are for.")
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      yield* within("port", options.port, 1, 65_535)
      const { runDoctor } = yield* Effect.promise(() => import("../doctorCommand.js"))
      yield* runDoctor(options)
    })
).pipe(
  described(
    "Looks at this machine: kernel buffers, batched sockets with GSO and GRO, native calls, cryptography, Node's version, " +
      "file descriptors, firewalls. Says for each finding how to mend it. Exits 1 when something does not work; what only " +
      "costs speed does not count.",
    ["intentra doctor", "intentra doctor --json"]
  )
)

export const sim = Command.make(
  "sim",
  {
    file: positional("SCENARIO", { dash: true }).pipe(
      Args.withDescription("A JSON file; - is standard input. packages/cli/README.md describes its fields.")
    ),
    seed: Options.text("seed").pipe(
      Options.withDescription("Another seed than the one of the file."),
      Options.optional
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      const { runSim } = yield* Effect.promise(() => import("../simCommand.js"))
      yield* runSim(options)
    })
).pipe(
  described(
    "Runs a hub and its peers on a simulated network, in virtual time: the same file gives the same report, on every " +
      "machine. The file says how many peers send how often, for how long, and what the network does meanwhile.",
    [
      "intentra sim scenario.json",
      "echo '{\"peers\": 50, \"hz\": 20, \"duration\": \"1 minute\", \"network\": {\"loss\": 0.05}}' | intentra sim - --json"
    ]
  )
)

export const replay = Command.make(
  "replay",
  {
    file: positional("FILE").pipe(
      Args.withDescription("A recording, as INTENTRA_RECORD or the option record of Intentra.layer makes one.")
    ),
    messages: Options.boolean("messages").pipe(
      Options.withDescription("Write every message that was delivered, too.")
    ),
    allowTruncated: Options.boolean("allow-truncated").pipe(
      Options.withDescription("Replay what is there of a file that ends too early.")
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      const { runReplay } = yield* Effect.promise(() => import("../replayCommand.js"))
      yield* runReplay(options)
    })
).pipe(
  described(
    "Runs a recorded transport again, without a socket or a clock, and compares every datagram that it sends with the " +
      "recorded one. Exits 0 when all were the same, byte for byte, and 1 with the first difference. A recording holds key " +
      "material.",
    [
      "intentra replay hub.tape",
      "INTENTRA_RECORD=hub.tape intentra hub --key hub.key --allow allowed.keys",
      "intentra replay --messages --json hub.tape"
    ]
  )
)

export const bench = Command.make(
  "bench",
  {
    arguments: Args.text({ name: "ARGUMENT" }).pipe(
      Args.withDescription("A scenario and its options; \"npm run bench -- --help\" tells them."),
      Args.repeated
    ),
    json
  },
  (options) =>
    Effect.gen(function*() {
      const { runBench } = yield* Effect.promise(() => import("../benchCommand.js"))
      yield* runBench(options.json ? [...options.arguments, "--json"] : options.arguments)
    })
).pipe(
  described(
    "Measures the transport on this machine, beside what the machine can. The benchmarks are in the repository: outside of " +
      "a clone this command says where.",
    ["intentra bench flow", "intentra bench latency --hz 1000 --json"]
  )
)
