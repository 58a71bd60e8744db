import { IntentraError } from "../IntentraError.js"

/** An option that cannot be: `detail` names it and says what it must be. */
export const invalidOption = (detail: string, cause?: unknown): IntentraError =>
  new IntentraError({ reason: "InvalidOptions", detail, ...(cause === undefined ? {} : { cause }) })
