import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import { Effect, Layer, SubscriptionRef, Tracer } from "effect"
import { Authorizer } from "../src/index.js"
import { collect, connect, key, makeOver, turns } from "./internal/harness.js"
import { canShard, client, sharded, to, until } from "./support/sharded.js"

/** Keeps the names of the spans that begin. */
const recording = () => {
  const names: Array<string> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      names.push(name)
      return {
        _tag: "Span",
        name,
        spanId: String(names.length),
        traceId: "trace",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes: new Map(),
        links,
        sampled: true,
        kind,
        end: () => {},
        attribute: () => {},
        event: () => {},
        addLinks: () => {}
      }
    },
    context: (run) => run()
  })
  return { names, tracer }
}

describe("tracing", () => {
  it.scopedLive("a connect and the question to the authorizer are spans; a message is none", () => {
    const { names, tracer } = recording()
    return Effect.gen(function*() {
      const network = yield* Network.make({ seed: 1 })
      const authorizer = Layer.succeed(Authorizer, { authorize: () => Effect.succeed(true) })
      const hub = yield* makeOver(
        network,
        yield* network.bind({ host: "10.0.0.1", port: 9000 }),
        { key: key(1) },
        authorizer
      )
      const client = yield* makeOver(network, yield* network.bind({ host: "10.0.0.2", port: 9000 }), { key: key(2) })
      const delivered = yield* collect(hub.deliveries)
      const peer = yield* connect(network, client, hub)
      assert.deepStrictEqual(new Set(names), new Set(["Intentra.connect", "Intentra.authorize"]))
      const before = names.length
      peer.unsafeSend(new Uint8Array(10))
      yield* network.advance(100)
      yield* turns
      assert.strictEqual(delivered.length, 1)
      assert.strictEqual(names.length, before)
    }).pipe(Effect.withTracer(tracer))
  })

  it.scopedLive.skipIf(!canShard)("with workers the authorizer's questions are the same spans", () => {
    const { names, tracer } = recording()
    return Effect.gen(function*() {
      const alice = yield* client(1)
      const keys = yield* SubscriptionRef.make<ReadonlyArray<Uint8Array>>([alice.publicKey])
      const { hub } = yield* Effect.provide(sharded({ allow: [] }), Authorizer.layerRef(keys)).pipe(
        Effect.withTracer(tracer)
      )
      const peer = yield* alice.connect(to(hub))
      assert.include(names, "Intentra.authorize")
      yield* SubscriptionRef.set(keys, [])
      yield* until("the end", () => peer.closeReason !== undefined)
      assert.deepStrictEqual(new Set(names), new Set(["Intentra.authorize", "Intentra.reauthorize"]))
    })
  })
})
