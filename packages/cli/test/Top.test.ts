import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { createServer } from "node:http"
import { lineOf, program } from "../src/internal/process.js"
import { withScreen } from "../src/internal/screen.js"
import { screenOf, summaryOf } from "../src/internal/topScreen.js"
import type { Look } from "../src/internal/topScreen.js"
import { TIMEOUT, withCommands } from "./support/command.js"
import { testHub, until } from "./support/hub.js"

const LEFT = "\u001b[?25h\u001b[?1049l"

const terminal = () => {
  let keyListener: ((key: string) => void) | undefined
  const display = {
    rows: 24,
    columns: 80,
    writableLength: 0,
    written: "",
    write(text: string | Uint8Array) {
      this.written += String(text)
      return true
    }
  }
  const keyboard = {
    isTTY: true,
    raw: [] as Array<boolean>,
    on(_: string, listener: (key: string) => void) {
      keyListener = listener
      return this
    },
    off() {
      keyListener = undefined
      return this
    },
    pause() {
      return this
    },
    resume() {
      return this
    },
    setEncoding() {
      return this
    },
    setRawMode(raw: boolean) {
      this.raw.push(raw)
      return this
    }
  }
  const screen = <E>(use: Parameters<typeof withScreen<E>>[0]) =>
    withScreen(
      use,
      display as unknown as NodeJS.WriteStream,
      keyboard as unknown as NodeJS.ReadStream
    )
  return { display, keyboard, screen, press: (key: string) => keyListener?.(key) }
}

const look = (peers: number): Look => ({
  stats: {
    phase: "serving",
    hub: { version: "0", publicKey: "KEY", address: "127.0.0.1:9000", socket: "batch", crypto: "openssl" },
    sample: {
      at: 1000,
      peers,
      rates: {
        messagesReceived: 1234,
        messagesSent: 5,
        packetsReceived: 1,
        packetsSent: 2,
        bytesReceived: 2 ** 21,
        bytesSent: 3,
        dropped: { RateLimited: 7 }
      },
      counts: {
        messagesReceived: 1,
        messagesSent: 2,
        packetsReceived: 3,
        packetsSent: 4,
        bytesReceived: 5,
        bytesSent: 6,
        handshakes: 7,
        rekeys: 8,
        moves: 9,
        strikes: 10,
        dropped: { RateLimited: 70 }
      },
      delivery: 0.999,
      rtt: { p50: 0.5, p99: null },
      handshakesInFlight: 0,
      queued: 0,
      oldestQueuedMs: 0,
      deliveryBytes: 0,
      reorderBytes: 0,
      longestTurnMs: 3.2
    }
  },
  peers: {
    total: peers,
    peers: Array.from({ length: Math.min(peers, 100) }, (_, index) => ({
      id: String(index).padStart(16, "0"),
      publicKey: "KEY",
      address: "10.0.0.1:1",
      rttMs: null,
      jitterMs: 0,
      loss: 0,
      remoteLoss: null,
      messagesReceived: 0,
      messagesSent: 0,
      bytesReceived: 0,
      bytesSent: 0,
      dropped: 0,
      queued: 0,
      ageMs: 0,
      silenceMs: 0
    }))
  }
})

describe("a screen", () => {
  it.live.each<readonly [string, Effect.Effect<void, string>]>([
    ["when it is over", Effect.void],
    ["after a failure", Effect.fail("oops")],
    ["after a defect", Effect.die("oops")]
  ])("gives the terminal back %s", ([, end]) =>
    Effect.gen(function*() {
      const { display, keyboard, screen } = terminal()
      const listeners = process.listenerCount("exit")
      yield* Effect.exit(screen(() => end))
      assert.isTrue(display.written.endsWith(LEFT))
      assert.deepStrictEqual(keyboard.raw, [true, false])
      assert.strictEqual(process.listenerCount("exit"), listeners)
    }))

  it.live.each(["q", "\u0003"])(
    "gives the terminal back after the key %j, and when it is interrupted",
    (key) =>
      Effect.gen(function*() {
        for (const end of ["key", "interrupt"]) {
          const { display, press, screen } = terminal()
          const fiber = yield* Effect.fork(screen(() => Effect.never))
          yield* until(Effect.sync(() => display.written), (written) => written !== "")
          if (end === "key") press(key)
          const exit = yield* end === "key" ? Fiber.await(fiber) : Fiber.interrupt(fiber)
          assert.strictEqual(Exit.isSuccess(exit), end === "key")
          assert.isTrue(display.written.endsWith(LEFT))
        }
      })
  )

  it.live("never draws beyond itself, or to a terminal that takes nothing", () => {
    const { display, screen } = terminal()
    return screen((it) =>
      Effect.sync(() => {
        const before = display.written
        it.draw(Array.from({ length: 100 }, () => "x".repeat(200)))
        const drawn = display.written.slice(before.length)
        assert.strictEqual(drawn.split("\r\n").length, 24)
        assert.isFalse(/x{81}/.test(drawn))
        display.writableLength = 1
        const full = display.written
        it.draw(["y"])
        assert.strictEqual(display.written, full)
      })
    )
  })
})

describe("intentra top", () => {
  it("a screen has the rates, the drops and the peers that fit", () => {
    const lines = screenOf(look(1000), 24, 80)
    assert.strictEqual(lines.length, 24)
    assert.isTrue(lines.every((line) => line.length <= 80))
    const text = lines.join("\n")
    for (
      const part of [
        "1,234 messages/s",
        "2.0 MiB/s",
        "99.90 %",
        "0.50 ms",
        "3.20 ms",
        "RateLimited 7/s",
        "RateLimited 70"
      ]
    ) {
      assert.include(text, part)
    }
    assert.match(lines[23], /^\.\.\. and 98\d more$/)
    assert.notInclude(screenOf(look(3), 24, 200).join("\n"), "more")
    assert.include(summaryOf(look(3)), "3 peers")
  })

  it("--once --json is one object with the hub's own numbers", { timeout: TIMEOUT }, () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      yield* hub.peer(yield* hub.serve, 2)
      yield* until(hub.json("/stats"), (it) => JSON.stringify(it).includes("\"messagesReceived\":2"))
      yield* Effect.promise(() =>
        withCommands(async (start) => {
          const top = start("top", "--once", "--json", "--url", hub.url)
          assert.strictEqual(await top.exit(), 0, top.output)
          const { peers, phase, sample } = JSON.parse(top.stdout) as Look["stats"] & Pick<Look, "peers">
          assert.strictEqual(phase, "serving")
          assert.strictEqual(sample?.counts.messagesReceived, 2)
          assert.strictEqual(peers.total, 1)
        })
      )
    }).pipe(Effect.scoped, Effect.runPromise))

  it.live("what is no hub, or not there, is one line", () =>
    Effect.gen(function*() {
      const server = createServer((_, response) => response.end("{}"))
      const port = yield* Effect.acquireRelease(
        Effect.async<number>((resume) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
          })
        }),
        () => Effect.sync(() => server.close())
      )
      const told = (...args: ReadonlyArray<string>) =>
        Effect.map(
          Effect.exit(program("0", ["top", "--once", ...args], () => {})),
          (exit) => Exit.isFailure(exit) ? lineOf(exit.cause) : ""
        )
      assert.match(
        yield* told("--url", String(port)),
        /^http:\/\/127\.0\.0\.1:\d+ answers \/(stats|peers)\S* otherwise/
      )
      assert.match(yield* told("--url", "127.0.0.1:1"), /^http:\/\/127\.0\.0\.1:1 (refuses|does not answer)/)
      assert.match(yield* told("--url", "ftp://a"), /^--url is ftp:\/\/a, but must be an address such as http:/)
    }).pipe(Effect.scoped))
})
