// Opens a batched socket in a worker thread and tells its port; what happens then is the parent's choice.
import { parentPort } from "node:worker_threads"
import { register } from "tsx/esm/api"

register()
const { UdpSocket } = await import("../../src/index.ts")
const { Context, Effect, Layer, Scope } = await import("effect")

const scope = Effect.runSync(Scope.make())
const context = await Effect.runPromise(Layer.buildWithScope(UdpSocket.layerBatch(), scope))
const { localAddress } = Context.get(context, UdpSocket)
parentPort.on("message", (message) => {
  if (message === "throw") throw new Error("a fault that nobody expected")
})
parentPort.postMessage(localAddress.port)
