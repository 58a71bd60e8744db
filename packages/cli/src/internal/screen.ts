/** A whole terminal, taken and given back as it was. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Screen {
  readonly rows: number
  readonly columns: number
  draw(lines: ReadonlyArray<string>): void
}

/** The other screen, without a cursor; and back. */
const ENTER = "\u001b[?1049h\u001b[?25l"
const LEAVE = "\u001b[?25h\u001b[?1049l"

const CTRL_C = "\u0003"

/** Where keys come from; nothing where there are none. */
type Keyboard = Pick<NodeJS.ReadStream, "isTTY" | "on" | "off" | "pause" | "resume" | "setEncoding" | "setRawMode">

type Display = Pick<NodeJS.WriteStream, "write" | "rows" | "columns" | "writableLength">

/** Gives the terminal back however the process ends. */
const taken = (display: Display, keyboard: Keyboard, quit: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const onKey = (key: string): void => {
        // in raw mode Ctrl-C is a key as any other
        if (key === "q" || key === "Q" || key === CTRL_C) quit()
      }
      let isBack = false
      const giveBack = (): void => {
        if (isBack) return
        isBack = true
        process.off("exit", giveBack)
        display.write(LEAVE)
        if (!keyboard.isTTY) return
        keyboard.setRawMode(false)
        keyboard.off("data", onKey)
        keyboard.pause()
      }
      process.on("exit", giveBack)
      display.write(ENTER)
      if (keyboard.isTTY) {
        keyboard.setRawMode(true)
        keyboard.setEncoding("utf8")
        keyboard.on("data", onKey)
        keyboard.resume()
      }
      return giveBack
    }),
    (giveBack) => Effect.sync(giveBack)
  )

/** Runs with the terminal for itself, until it ends, q or Ctrl-C is pressed, or it is interrupted. */
export const withScreen = <E>(
  use: (screen: Screen) => Effect.Effect<void, E>,
  display: Display = process.stdout,
  keyboard: Keyboard = process.stdin
): Effect.Effect<void, E> =>
  Effect.scoped(Effect.gen(function*() {
    const quit = yield* Deferred.make<void>()
    yield* taken(display, keyboard, () => Deferred.unsafeDone(quit, Effect.void))
    const screen: Screen = {
      get rows() {
        return Math.max(display.rows ?? 24, 8)
      },
      get columns() {
        return Math.max(display.columns ?? 80, 20)
      },
      draw(lines) {
        // a terminal that takes nothing gets the next one instead
        if (display.writableLength > 0) return
        const fitted = lines.slice(0, this.rows).map((line) => `${line.slice(0, this.columns)}\u001b[K`)
        display.write(`\u001b[H${fitted.join("\r\n")}\u001b[J`)
      }
    }
    yield* Effect.raceFirst(use(screen), Deferred.await(quit))
  }))
