import { assert, describe, it } from "@effect/vitest"
import { createSocket } from "node:dgram"
import type { Socket, SocketOptions } from "node:dgram"
import { handleOf } from "../src/internal/dgramHandle.js"
import type { Handle, Request } from "../src/internal/dgramHandle.js"
import { DgramSender } from "../src/internal/dgramSender.js"

const bound = (): Promise<Socket> =>
  new Promise((resolve) => {
    const lookup = (host: string, _: unknown, done: (error: null, address: string, family: number) => void): void =>
      done(null, host, 4)
    const socket = createSocket({ type: "udp4", lookup: lookup as NonNullable<SocketOptions["lookup"]> })
    socket.bind(0, "127.0.0.1", () => resolve(socket))
  })

const nothing = (): void => {}

/** A socket of dgram's shape, over a handle that answers what it is told to. */
class FakeHandle implements Handle {
  readonly requests: Array<Request> = []
  readonly sent: Array<string> = []
  answer = 2

  onmessage = nothing

  send(request: Request, list: ReadonlyArray<Uint8Array>): number {
    this.requests.push(request)
    this.sent.push(list.map((bytes) => bytes.join()).join("|"))
    return this.answer
  }
}

class FakeRequest implements Request {
  list?: Array<Uint8Array>
}

const fake = (handle: FakeHandle | undefined) => {
  let byDgram = 0
  const socket = {
    [Symbol("state symbol")]: { handle },
    send: (bytes: Uint8Array, offset: number, length: number, port: number, host: string) => {
      byDgram++
      const list = [bytes.subarray(offset, offset + length)]
      // the one that is there now, on the handle itself
      if (handle !== undefined) (handle as Handle).send(new FakeRequest(), list, 1, port, host, false)
    }
  } as unknown as Socket
  return { socket, byDgram: () => byDgram }
}

const BYTES = Uint8Array.of(0, 1, 2, 3, 4, 5)

describe("sending past node:dgram", () => {
  it("dgram's handle is found in this version of Node", async () => {
    const socket = await bound()
    assert.isDefined(handleOf(socket))
    socket.close()
  })

  it("where there is none, everything goes by dgram itself", () => {
    const { byDgram, socket } = fake(undefined)
    const sender = new DgramSender(socket, nothing)
    for (let i = 0; i < 3; i++) assert.isTrue(sender.send(BYTES, 0, 2, 9, "127.0.0.1", false))
    assert.strictEqual(byDgram(), 3)
  })

  it("dgram is asked once what a request is, and one request does for all that the system takes at once", () => {
    const handle = new FakeHandle()
    const { byDgram, socket } = fake(handle)
    const sender = new DgramSender(socket, nothing)
    for (let i = 0; i < 4; i++) assert.isTrue(sender.send(BYTES, i, 2, 9, "127.0.0.1", false))
    assert.strictEqual(byDgram(), 1)
    assert.deepStrictEqual(handle.sent, ["0,1", "1,2", "2,3", "3,4"])
    const [, second, third, fourth] = handle.requests
    assert.instanceOf(second, FakeRequest)
    assert.strictEqual(second, third)
    assert.strictEqual(second, fourth)
  })

  it("where dgram gives its handle anything else than it did, everything goes by dgram itself", () => {
    class OtherHandle extends FakeHandle {}
    const handle = new OtherHandle()
    let byDgram = 0
    const socket = {
      [Symbol("state symbol")]: { handle },
      send: () => {
        byDgram++
        Reflect.apply(handle.send, handle, [new FakeRequest(), [BYTES], 1, 9, "127.0.0.1", false, "more"])
      }
    } as unknown as Socket
    const sender = new DgramSender(socket, nothing)
    for (let i = 0; i < 3; i++) assert.isTrue(sender.send(BYTES, 0, 2, 9, "127.0.0.1", false))
    assert.strictEqual(byDgram, 3)
  })

  it("what libuv keeps for later keeps its request and its bytes for itself", () => {
    const handle = new FakeHandle()
    const sender = new DgramSender(fake(handle).socket, nothing)
    sender.send(BYTES, 0, 1, 9, "127.0.0.1", false)
    handle.answer = 0
    assert.isTrue(sender.send(BYTES, 1, 1, 9, "127.0.0.1", false))
    assert.isTrue(sender.send(BYTES, 2, 1, 9, "127.0.0.1", false))
    const [, first, second] = handle.requests
    assert.notStrictEqual(first, second)
    assert.deepStrictEqual(first.list?.map((bytes) => bytes[0]), [1])
    assert.deepStrictEqual(second.list?.map((bytes) => bytes[0]), [2])
  })

  it("what the system refuses is told at once, and what follows is sent", async () => {
    const socket = await bound()
    const other = await bound()
    const arrived = new Promise<number>((resolve) => other.once("message", (message) => resolve(message[0])))
    const sender = new DgramSender(socket, nothing)
    const { port } = other.address()
    // teaches what a request is; nobody listens there
    assert.isTrue(sender.send(BYTES, 0, 1, socket.address().port, "127.0.0.1", false))
    assert.isFalse(sender.send(BYTES, 1, 1, port, "255.255.255.255", false))
    assert.isFalse(sender.send(new Uint8Array(70_000), 0, 70_000, port, "127.0.0.1", false))
    assert.isTrue(sender.send(BYTES, 4, 1, port, "127.0.0.1", false))
    assert.strictEqual(await arrived, 4)
    socket.close()
    other.close()
    assert.isFalse(sender.send(BYTES, 4, 1, port, "127.0.0.1", false))
  })
})
