/**
 * The `intentra` command: keys, a hub, a peer and a live demo.
 *
 * @since 0.1.0
 */
export { CliError } from "./CliError.js"
export { intentra } from "./Command.js"
export * as KeyFile from "./KeyFile.js"
export { LatencyHistogram } from "./LatencyHistogram.js"
export { main } from "./Main.js"
export * as Telemetry from "./Telemetry.js"
