import type { IntentraError } from "intentra/IntentraError"
import { CliError } from "../CliError.js"

/** A transport that could not begin, or has died, as an error of the command. */
export const transportFailed = (error: IntentraError): CliError =>
  new CliError({ reason: "Transport", detail: error.message, cause: error })
