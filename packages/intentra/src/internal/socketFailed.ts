import { IntentraError } from "../IntentraError.js"

/** A socket that could not be opened, or has died, as an error of the transport. */
export const socketFailed = (error: Error): IntentraError =>
  new IntentraError({ reason: "SocketFailed", detail: error.message, cause: error })
