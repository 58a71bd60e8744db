import { assert, describe, it } from "@effect/vitest"
import { FfiError, LinuxSocket } from "@intentra/ffi"
import { NativeSender, receiveNative } from "../../src/internal/nativeSocket.js"

const BYTES = 163
const DATAGRAMS = 300

/** Sends to so many sockets of its own, and counts until all has come. */
const carried = async (sockets: number): Promise<number> => {
  let count = 0
  let done: () => void = () => {}
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  const receivers = await Promise.all(Array.from({ length: sockets }, () =>
    receiveNative(BYTES, (more) => {
      count += more
      if (count >= DATAGRAMS) done()
    })))
  try {
    const sender = new NativeSender(receivers.map((it) => it.address().port), BYTES)
    assert.strictEqual(sender.send(DATAGRAMS), DATAGRAMS)
    await all
    return count
  } finally {
    for (const receiver of receivers) receiver.close()
  }
}

describe.skipIf(LinuxSocket.load() instanceof FfiError)("nativeSocket", () => {
  it("as many datagrams are counted as were sent, to one socket together or to many apart", async () => {
    assert.strictEqual(await carried(1), DATAGRAMS)
    assert.strictEqual(await carried(7), DATAGRAMS)
  })
})
