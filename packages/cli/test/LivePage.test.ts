import { assert, describe, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { chromium } from "playwright-core"
import type { Page } from "playwright-core"
import { testHub } from "./support/hub.js"
import { findChromium } from "./support/programs.js"

const executablePath = findChromium()
if (executablePath === undefined) console.log("no Chromium is installed: the live page is not looked at")

const browser = Effect.acquireRelease(
  // root has no sandbox of its own
  Effect.promise(() => chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox"] })),
  (it) => Effect.promise(() => it.close())
)

/** A page, and everything that went wrong on it. */
const visit = (url: string, options: { readonly colorScheme?: "light" | "dark"; readonly width?: number } = {}) =>
  Effect.gen(function*() {
    const context = yield* Effect.flatMap(browser, (it) =>
      Effect.promise(() =>
        it.newContext({
          colorScheme: options.colorScheme ?? "light",
          viewport: { width: options.width ?? 1280, height: 800 }
        })
      ))
    const page = yield* Effect.promise(() => context.newPage())
    const problems: Array<string> = []
    page.on("pageerror", (error) => problems.push(String(error)))
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") problems.push(message.text())
    })
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith("data:")) problems.push(request.url())
    })
    yield* Effect.promise(() => page.goto(url))
    return { page, problems }
  })

const shows = (page: Page, selector: string, text: string) =>
  Effect.promise(() => page.locator(selector, { hasText: text }).first().waitFor({ timeout: 20_000 }))

/** How light a colour is, 0 to 1 (WCAG 2.2, relative luminance). */
const luminance = (color: string): number => {
  const [red, green, blue] = (color.match(/[\d.]+/g) ?? []).map((part) => {
    const share = Number(part) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

const contrast = (a: string, b: string): number => {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (light + 0.05) / (dark + 0.05)
}

/** The colours of words and of what is behind them. */
const colors = (page: Page) =>
  Effect.promise(() =>
    page.evaluate(`[...document.querySelectorAll("h1, h2, dt, dd, .note, .status, th button, td")].map((it) => {
      const card = it.closest(".card, .tile") ?? document.body
      return [it.className || it.tagName, getComputedStyle(it).color, getComputedStyle(card).backgroundColor]
    })`)
  ) as Effect.Effect<ReadonlyArray<readonly [name: string, text: string, back: string]>>

/** Charts whose canvas has something drawn on it. */
const drawn = (page: Page) =>
  Effect.promise(() =>
    page.waitForFunction(
      `[...document.querySelectorAll("canvas")].filter((it) =>
        it.getContext("2d").getImageData(0, 0, it.width, it.height).data.some((byte) => byte !== 0)).length === 4`,
      undefined,
      { timeout: 20_000 }
    )
  )

describe.skipIf(executablePath === undefined)("the live page", () => {
  it.scopedLive("shows what the hub does, without an error or a request elsewhere, and says when it is gone", () =>
    Effect.gen(function*() {
      // the page outlives the hub
      const outer = yield* Effect.scope
      const { page, problems } = yield* Effect.scoped(Effect.gen(function*() {
        const hub = yield* testHub
        const transport = yield* hub.serve
        yield* hub.peer(transport, 5)
        yield* hub.peer(transport, 0)
        const visited = yield* Effect.provideService(visit(hub.url), Scope.Scope, outer)
        yield* shows(visited.page, "#status", "serving")
        yield* shows(visited.page, "#peers", "2")
        yield* shows(visited.page, "#hub", `127.0.0.1:${transport.address.port}`)
        yield* Effect.promise(() => visited.page.waitForFunction("document.querySelectorAll('#rows tr').length === 2"))
        yield* shows(visited.page, "#rows tr:first-child td:nth-child(5)", "5")
        yield* Effect.promise(() => visited.page.click("th button[data-sort=messagesReceived]"))
        yield* shows(visited.page, "#rows tr:last-child td:nth-child(5)", "5")
        yield* drawn(visited.page)
        hub.state.phase = "draining"
        yield* shows(visited.page, "#status", "draining")
        assert.deepStrictEqual(visited.problems, [])
        return visited
      }))
      yield* shows(page, "#status", "does not answer")
      assert.isTrue(problems.every((it) => it.includes("ERR_CONNECTION")), problems.join("\n"))
    }))

  it.scopedLive.each(["light", "dark"] as const)(
    "every word of it can be read in %s",
    (colorScheme) =>
      Effect.gen(function*() {
        const hub = yield* testHub
        const transport = yield* hub.serve
        yield* hub.peer(transport, 1)
        const { page } = yield* visit(hub.url, { colorScheme })
        yield* shows(page, "#status", "serving")
        yield* Effect.promise(() => page.waitForFunction("document.querySelectorAll('#rows tr').length === 1"))
        const words = yield* colors(page)
        assert.isAbove(words.length, 20)
        for (const [name, text, back] of words) {
          assert.isAtLeast(contrast(text, back), 4.5, `${name}: ${text} on ${back}`)
        }
        const background = yield* Effect.promise(() => page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert.strictEqual(luminance(String(background)) < 0.2, colorScheme === "dark")
      })
  )

  it.scopedLive("fits a phone: nothing of it is wider than the screen", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      const transport = yield* hub.serve
      yield* hub.peer(transport, 1)
      const { page } = yield* visit(hub.url, { width: 360 })
      yield* shows(page, "#status", "serving")
      yield* drawn(page)
      assert.strictEqual(yield* Effect.promise(() => page.evaluate("document.documentElement.scrollWidth")), 360)
    }))
})
