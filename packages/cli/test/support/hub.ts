/** A hub in this process, with its HTTP server, on real sockets of the loopback. */
import { Context, Effect, Layer, Logger, LogLevel } from "effect"
import type { Scope } from "effect"
import { Intentra } from "intentra"
import type { IntentraOptions, IntentraShape } from "intentra"
import { request } from "node:http"
import type { IncomingHttpHeaders } from "node:http"
import type { CliError } from "../../src/CliError.js"
import { HubState } from "../../src/internal/hubState.js"
import { serveOperations } from "../../src/internal/operations.js"

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const transport = (options: IntentraOptions): Effect.Effect<IntentraShape, unknown, Scope.Scope> =>
  Effect.map(
    Layer.build(Layer.provide(Intentra.layer(options), Logger.minimumLogLevel(LogLevel.Warning))),
    Context.get(Intentra)
  )

export class TestHub {
  constructor(readonly state: HubState, readonly port: number) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Binds the transport. */
  readonly serve: Effect.Effect<IntentraShape, unknown, Scope.Scope> = Effect.tap(
    transport({ allow: "any" }),
    (hub) => Effect.sync(() => this.state.serve(hub))
  )

  /** A peer of its own, that has sent so many messages. */
  peer(hub: IntentraShape, messages: number): Effect.Effect<void, unknown, Scope.Scope> {
    return Effect.gen(function*() {
      const { host, port } = hub.address
      const peer = yield* Effect.flatMap(
        transport({}),
        (it) => it.connect({ host, port, publicKey: hub.publicKey })
      )
      for (let i = 0; i < messages; i++) {
        yield* peer.send(new TextEncoder().encode(`message ${i}`), { intent: "Reliable" })
      }
    })
  }

  /** One request, without any of a client's own headers. */
  get(path: string, headers: Readonly<Record<string, string>> = {}, method = "GET"): Effect.Effect<Answer> {
    return Effect.promise(() =>
      new Promise((resolve, reject) => {
        const options = { host: "127.0.0.1", port: this.port, path, method, headers, agent: false }
        request(options, (response) => {
          let body = ""
          response.setEncoding("utf8").on("data", (part: string) => {
            body += part
          }).on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
        }).on("error", reject).end()
      })
    )
  }

  json(path: string): Effect.Effect<unknown> {
    return Effect.map(this.get(path), ({ body }) => JSON.parse(body) as unknown)
  }
}

/** Not bound yet: `serve` binds it. */
export const testHub: Effect.Effect<TestHub, CliError, Scope.Scope> = Effect.gen(function*() {
  const state = new HubState("0.0.0")
  const { port } = yield* serveOperations(state, { host: "127.0.0.1", port: 0 })
  return new TestHub(state, port)
})

/** Asks until the answer is one to go on with. */
export const until = <A, E>(ask: Effect.Effect<A, E>, good: (answer: A) => boolean): Effect.Effect<A, E> =>
  Effect.flatMap(
    ask,
    (answer) => good(answer) ? Effect.succeed(answer) : Effect.zipRight(Effect.sleep("50 millis"), until(ask, good))
  )
