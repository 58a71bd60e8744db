import { createRequire } from "node:module"

/** The version of this package. */
export const packageVersion =
  (createRequire(import.meta.url)("@intentra/cli/package.json") as { readonly version: string }).version
