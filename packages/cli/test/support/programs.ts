import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where the first of these programs is; undefined when none is installed. */
export const findProgram = (names: ReadonlyArray<string>): string | undefined =>
  names.flatMap((name) =>
    name.includes("/") ? [name] : (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name))
  ).find(isProgram)

/** `INTENTRA_CHROMIUM`, or the usual ones. */
export const findChromium = (): string | undefined =>
  findProgram([
    ...(process.env.INTENTRA_CHROMIUM === undefined ? [] : [process.env.INTENTRA_CHROMIUM]),
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium"
  ])
