import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { Telemetry } from "../src/index.js"

const float32 = FastCheck.float({ noNaN: true })
const float64 = FastCheck.double({ noNaN: true })

const telemetry = FastCheck.record({
  cpus: FastCheck.integer({ min: 0, max: 255 }),
  peer: FastCheck.integer({ min: 0, max: 0xffff }),
  update: FastCheck.integer({ min: 0, max: 0xffffffff }),
  sentAt: float64,
  cpu: float32,
  load1: float32,
  load5: float32,
  load15: float32,
  freeMemory: float64,
  totalMemory: float64,
  rss: float64,
  userMicros: float64,
  systemMicros: float64,
  uptime: float64
})

const encoded = (it: Telemetry.Telemetry): Uint8Array => {
  const bytes = new Uint8Array(Telemetry.TELEMETRY_BYTES)
  Telemetry.encode(it, bytes)
  return bytes
}

describe("Telemetry", () => {
  it.prop("every field survives encoding and decoding", [telemetry], ([it]) => {
    const decoded = Telemetry.make()
    assert.isTrue(Telemetry.decode(encoded(it), decoded))
    assert.deepStrictEqual(decoded, it)
  })

  it("fields lie where the layout says, most significant byte first", () => {
    const bytes = encoded({ ...Telemetry.make(), cpus: 4, peer: 0x0102, update: 0x03040506, uptime: 1 })
    assert.deepStrictEqual([...bytes.subarray(0, 8)], [1, 4, 1, 2, 3, 4, 5, 6])
    assert.deepStrictEqual([...bytes.subarray(72)], [0x3f, 0xf0, 0, 0, 0, 0, 0, 0])
  })

  it.prop(
    "bytes of another length or layout are refused and change nothing",
    [telemetry, FastCheck.uint8Array({ maxLength: 200 })],
    ([it, bytes]) => {
      FastCheck.pre(bytes.length !== Telemetry.TELEMETRY_BYTES || bytes[0] !== 1)
      const kept = { ...it }
      assert.isFalse(Telemetry.decode(bytes, kept))
      const other = encoded(it)
      other[0] = 2
      assert.isFalse(Telemetry.decode(other, kept))
      assert.deepStrictEqual(kept, it)
    }
  )
})
