// @ts-check
/**
 * intentra in plain JavaScript, in a program that is not written with Effect: one `ManagedRuntime`, and promises and
 * callbacks from there on.
 *
 *     npx tsx packages/examples/src/plain/main.mjs
 */
import { Effect, Exit, ManagedRuntime, Scope } from "effect"
import { Intentra, SendResult, StaticKey } from "intentra"

/**
 * A transport with the few methods that this program needs.
 *
 * @param {import("intentra").IntentraOptions} options
 */
const open = async (options) => {
  const runtime = ManagedRuntime.make(Intentra.layer(options))
  const transport = await runtime.runPromise(Intentra)
  const scope = await runtime.runPromise(Scope.make())
  return {
    address: transport.address,
    publicKey: transport.publicKey,
    /** @param {import("intentra").DeliveryHandler} handler */
    listen: (handler) => runtime.runPromise(Scope.extend(transport.onDelivery(handler), scope)),
    /** @param {import("intentra").ConnectOptions} hub */
    connect: (hub) => runtime.runPromise(Scope.extend(transport.connect(hub), scope)),
    close: async () => {
      await runtime.runPromise(Scope.close(scope, Exit.void))
      await runtime.dispose()
    }
  }
}

const [hubKey, clientKey] = await Effect.runPromise(
  Effect.provide(Effect.all([StaticKey.generate, StaticKey.generate]), StaticKey.layer)
)

const hub = await open({ key: hubKey.secretKey, allow: [clientKey.publicKey] })
const client = await open({ key: clientKey.secretKey })
try {
  // called for every message, at once; the payload may be used until the handler returns
  await hub.listen((peer, payload) => {
    peer.unsafeSend(payload)
  })
  const peer = await client.connect({ host: hub.address.host, port: hub.address.port, publicKey: hub.publicKey })
  /** @type {Array<string>} */
  const echoes = []
  const all = /** @type {Promise<void>} */ (new Promise((resolve) => {
    void client.listen((_, payload) => {
      echoes.push(new TextDecoder().decode(payload))
      if (echoes.length === 3) resolve()
    })
  }))
  for (const word of ["one", "two", "three"]) {
    const result = peer.unsafeSend(new TextEncoder().encode(word))
    if (result !== SendResult.ACCEPTED) throw new Error(`not sent: ${result}`)
  }
  await all
  console.log(`echoed: ${echoes.join(", ")}`)
} catch (error) {
  // an IntentraError: `reason` to branch on, `message` to read
  console.error(error)
  process.exitCode = 1
} finally {
  await client.close()
  await hub.close()
}
