/**
 * The `intentra` command: a hub, peers, messages, a live demo, and what it takes to run them.
 *
 * @since 0.1.0
 */
export { CliError } from "./CliError.js"
export { intentra } from "./Command.js"
export * as KeyFile from "./KeyFile.js"
export { LatencyHistogram } from "./LatencyHistogram.js"
export { main } from "./Main.js"
export * as Scenario from "./Scenario.js"
export * as Telemetry from "./Telemetry.js"
