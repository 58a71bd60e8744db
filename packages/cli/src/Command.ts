/**
 * The commands of the `intentra` program and what their help says. What a command does is loaded when it runs.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/cli/Command"
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
  Command.withDescription(
    "Shows the transport at work on this machine: a hub here and peers in processes of their own, over real sockets with " +
      "real keys. Each peer streams the live telemetry of this host. Ends with a summary; exits 1 when less than 99 % of " +
      "the updates arrived."
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
  Command.withSubcommands([demo])
)
