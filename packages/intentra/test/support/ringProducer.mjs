// The other thread of the test of shard rings: writes records that can be told by their number.
import { parentPort, workerData } from "node:worker_threads"
import { register } from "tsx/esm/api"

register()
const { ShardRing } = await import("../../src/internal/shardRing.ts")

const ring = new ShardRing(workerData.shared)
let number = 0

const write = () => {
  while (number < workerData.count) {
    const length = number % 601
    let at = ring.reserve(length)
    if (at < 0) {
      ring.starve()
      at = ring.reserve(length)
    }
    if (at < 0) return tell()
    for (let i = 0; i < length; i++) ring.bytes[at + i] = number + i
    ring.commit()
    number++
    if (number % 64 === 0) tell()
  }
  tell()
  parentPort.close()
}

const tell = () => {
  if (ring.mustTell()) parentPort.postMessage("told")
}

parentPort.on("message", write)
write()
