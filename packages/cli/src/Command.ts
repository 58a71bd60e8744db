/**
 * The commands of the `intentra` program and what their help says. What a command does is loaded when it runs.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/cli/Command"
import { bench, demo, doctor, keygen, replay, sim, top } from "./internal/specs/tools.js"
import { hub, listen, peer, send } from "./internal/specs/transport.js"

/**
 * The whole program.
 *
 * @since 0.1.0
 * @category constructors
 */
export const intentra = Command.make("intentra").pipe(
  Command.withDescription("Encrypted real-time UDP: fresh updates between many peers over one socket."),
  Command.withSubcommands([demo, keygen, hub, peer, send, listen, top, doctor, sim, replay, bench])
)
