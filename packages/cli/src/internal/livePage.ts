/** The files of the live page, in memory: nothing on a disk can be asked for by a request's path. */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs/promises"
import { createRequire } from "node:module"
import { liveCss } from "./page/liveCss.js"
import { liveHtml } from "./page/liveHtml.js"

export interface PageFile {
  readonly path: `/${string}`
  readonly contentType: string
  readonly body: Uint8Array
}

const require = createRequire(import.meta.url)

const script = "text/javascript; charset=utf-8"
const style = "text/css; charset=utf-8"

const text = (path: `/${string}`, contentType: string, body: string): PageFile => ({
  path,
  contentType,
  body: Buffer.from(body)
})

const from = async (path: `/${string}`, contentType: string, at: URL | string): Promise<PageFile> => ({
  path,
  contentType,
  body: await Fs.readFile(at)
})

/** What the page is made of, read once. */
export const loadPage: Effect.Effect<ReadonlyArray<PageFile>> = Effect.promise(() =>
  Promise.all([
    text("/", "text/html; charset=utf-8", liveHtml),
    text("/live.css", style, liveCss),
    from("/live.mjs", script, new URL("./page/live.mjs", import.meta.url)),
    from("/uplot.js", script, require.resolve("uplot/dist/uPlot.iife.min.js")),
    from("/uplot.css", style, require.resolve("uplot/dist/uPlot.min.css"))
  ])
)
