/** Options that several commands share, and the form of their help. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { CliError } from "../../CliError.js"

export const json = Options.boolean("json").pipe(
  Options.withDescription("Machine-readable output: JSON on standard output, everything else on standard error.")
)

export const config = Options.text("config").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription(
    "A JSON object whose fields are called as the long options are. What is not given as an option is looked for in the " +
      "environment, as INTENTRA_ and the name in capitals, and then here; the file itself may be INTENTRA_CONFIG."
  ),
  Options.optional
)

export const logFormat = Options.choice("log-format", ["logfmt", "json"]).pipe(
  Options.withDescription("How log lines on standard error are written; logfmt if nothing says otherwise."),
  Options.optional
)

export const key = Options.text("key").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription("Our static key, as \"intentra keygen\" makes it. Without it, a key for this run only."),
  Options.optional
)

export const psk = Options.text("psk").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription(
    "The network's pre-shared key, a file of the same form: who does not have it gets no answer at all."
  ),
  Options.optional
)

export const connect = Options.text("connect").pipe(
  Options.withPseudoName("HOST:PORT"),
  Options.withDescription("Where the hub listens. It must be given, here or in the configuration."),
  Options.optional
)

export const serverKey = Options.text("server-key").pipe(
  Options.withPseudoName("KEY"),
  Options.withDescription("The hub's public key, in base64: the hub prints it when it starts. It must be given."),
  Options.optional
)

export const listen = Options.text("listen").pipe(
  Options.withPseudoName("HOST:PORT"),
  Options.withDescription(
    "The UDP address to take peers on; 0.0.0.0:9000 or [::]:9000 for all interfaces, 127.0.0.1:9000 if it is not given."
  ),
  Options.optional
)

export const allow = Options.text("allow").pipe(
  Options.withPseudoName("FILE|any"),
  Options.withDescription("Who may join: a file with one public key per line, or \"any\" for everybody."),
  Options.optional
)

/** What stands after "--" on the command line: texts as they are, however they begin. */
export const forced: FiberRef.FiberRef<ReadonlyArray<string>> = FiberRef.unsafeMake<ReadonlyArray<string>>([])

/**
 * A text without an option's name. What begins with "-" is refused, since the parser takes a mistyped option for a text;
 * `dash` where "-" alone is standard input.
 */
export const positional = (name: string, { dash = false } = {}): Args.Args<string> =>
  Args.text({ name }).pipe(
    Args.mapEffect((text) =>
      Effect.flatMap(FiberRef.get(forced), (texts) =>
        !text.startsWith("-") || (dash && text === "-") || texts.includes(text)
          ? Effect.succeed(text)
          : Effect.fail(HelpDoc.p(
            `there is no option '${text}' here; if it is meant as ${name}, write -- and a space before it, at the end`
          )))
    )
  )

/** An integer within bounds; the error names the option, the value and the bounds. */
export const within = (option: string, value: number, least: number, most: number): Effect.Effect<number, CliError> =>
  value >= least && value <= most
    ? Effect.succeed(value)
    : Effect.fail(
      new CliError({
        reason: "InvalidArgument",
        detail: `--${option} is ${value}, but must be from ${least} to ${most}`
      })
    )

/** What a command is for, and how it is used. */
export const described = (text: string, examples: ReadonlyArray<string>) =>
  Command.withDescription(HelpDoc.blocks([
    HelpDoc.p(text),
    HelpDoc.h1("EXAMPLES"),
    ...examples.map((example) => HelpDoc.p(`$ ${example}`))
  ]))
