import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { readdirSync } from "node:fs"
import { FfiError, LinuxSocket, PinnedMemory } from "../src/index.js"
import { loadKoffi } from "../src/internal/koffi.js"
import { socketSelfTest } from "../src/internal/socketSelfTest.js"

const loaded = LinuxSocket.load()
const unavailable = loaded instanceof FfiError
if (unavailable) console.log(`the tests of LinuxSocket are skipped: ${loaded.message}`)

const openFiles = (): number => readdirSync("/proc/self/fd").length

const bytesAt = (address: number, length: number): Uint8Array => {
  const koffi = loadKoffi()
  if (koffi instanceof FfiError) throw koffi
  return new Uint8Array(koffi.view(BigInt(address), length))
}

describe.skipIf(unavailable)("LinuxSocket", () => {
  if (unavailable) return
  const { sockets } = loaded
  const { AF_INET, NAME_BYTES, SOCKADDR_IN, SOCK_DGRAM, SOL_SOCKET } = LinuxSocket

  const memory = PinnedMemory.make(1024 * 1024)
  const name = memory.slice(NAME_BYTES)
  const data = memory.slice(256 * 1024)

  /** A socket on 127.0.0.1, whose address lies in `name` then. */
  const bound = (): number => {
    const fd = sockets.socket(AF_INET, SOCK_DGRAM)
    name.bytes.fill(0)
    name.view.setUint16(SOCKADDR_IN.family, AF_INET, true)
    name.bytes.set([127, 0, 0, 1], SOCKADDR_IN.address)
    sockets.bind(fd, name.address, SOCKADDR_IN.bytes)
    assert.strictEqual(sockets.getsockname(fd, name.address, NAME_BYTES), SOCKADDR_IN.bytes)
    return fd
  }

  const codeOf = (call: () => unknown): string | undefined => {
    try {
      call()
    } catch (error) {
      assert.instanceOf(error, FfiError)
      assert.strictEqual(error.reason, "SystemCall")
      return error.code
    }
  }

  it("load answers the same each time and leaves no file open", () => {
    const before = openFiles()
    assert.strictEqual(LinuxSocket.load(), loaded)
    assert.notInstanceOf(socketSelfTest(sockets), FfiError)
    assert.strictEqual(openFiles(), before)
  })

  const messages = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 16 })

  it.prop("what is sent in one call is received in one call: every byte, in order, with its source", [messages], (
    [lengths]
  ) => {
    const sender = bound()
    const source = name.bytes.slice()
    const receiver = bound()
    const sending = new LinuxSocket.SendMessages(sockets, 16)
    const receiving = new LinuxSocket.ReceiveMessages(sockets, 16, 4_096)
    for (let i = 0; i < data.bytes.length; i++) data.bytes[i] = i % 251
    let end = 0
    lengths.forEach((length, i) => {
      sending.set(i, name.address, SOCKADDR_IN.bytes, data.address + end, length, 0)
      end += length
    })
    assert.strictEqual(sending.send(sender, 0, lengths.length), lengths.length)
    let received = 0
    while (received < lengths.length) {
      assert.isTrue(sockets.waitReadable(receiver, 1_000))
      received += receiving.receive(receiver, received, 16)
    }
    let at = 0
    lengths.forEach((length, i) => {
      const start = i * receiving.stride
      assert.strictEqual(receiving.lengths[i], length)
      assert.strictEqual(receiving.segments[i], 0)
      assert.deepStrictEqual(receiving.arena.slice(start, start + length), data.bytes.slice(at, at + length))
      assert.deepStrictEqual(receiving.names.slice(i * NAME_BYTES, i * NAME_BYTES + 8), source.slice(0, 8))
      at += length
    })
    assert.isTrue(sending.intact && receiving.intact)
    sockets.close(sender)
    sockets.close(receiver)
  })

  it("an empty socket answers EAGAIN, a closed one EBADF, and neither throws", () => {
    const fd = bound()
    const receiving = new LinuxSocket.ReceiveMessages(sockets, 2, 100)
    const sending = new LinuxSocket.SendMessages(sockets, 2)
    assert.strictEqual(receiving.receive(fd, 0, 2), -11)
    sockets.close(fd)
    assert.strictEqual(receiving.receive(fd, 0, 2), -9)
    sending.set(0, name.address, SOCKADDR_IN.bytes, data.address, 1, 0)
    assert.strictEqual(sending.send(fd, 0, 1), -9)
  })

  it("a refused call is an error with the name of its errno", () => {
    const before = openFiles()
    const fd = bound()
    const second = sockets.socket(AF_INET, SOCK_DGRAM)
    assert.strictEqual(codeOf(() => sockets.bind(second, name.address, SOCKADDR_IN.bytes)), "EADDRINUSE")
    assert.strictEqual(codeOf(() => sockets.socket(12_345, SOCK_DGRAM)), "EAFNOSUPPORT")
    assert.strictEqual(codeOf(() => sockets.setsockopt(fd, SOL_SOCKET, 9_999, 1)), "ENOPROTOOPT")
    sockets.close(second)
    sockets.close(fd)
    assert.strictEqual(codeOf(() => sockets.close(fd)), "EBADF")
    assert.strictEqual(openFiles(), before)
  })

  it("an option that was set is read back", () => {
    const fd = bound()
    sockets.setsockopt(fd, SOL_SOCKET, LinuxSocket.SO_RCVBUF, 100_000)
    assert.strictEqual(sockets.getsockopt(fd, SOL_SOCKET, LinuxSocket.SO_RCVBUF), 200_000)
    sockets.setsockopt(fd, SOL_SOCKET, LinuxSocket.SO_REUSEPORT, 1)
    assert.strictEqual(sockets.getsockopt(fd, SOL_SOCKET, LinuxSocket.SO_REUSEPORT), 1)
    sockets.close(fd)
  })

  it("dup3 puts an open file under another number, which outlives the first", () => {
    const fd = bound()
    const other = sockets.socket(AF_INET, SOCK_DGRAM)
    sockets.dup3(fd, other)
    sockets.close(fd)
    const again = memory.slice(NAME_BYTES)
    sockets.getsockname(other, again.address, NAME_BYTES)
    assert.deepStrictEqual(again.bytes, name.bytes)
    sockets.close(other)
  })

  describe("the self-test", () => {
    /** The calls, some of them others. */
    const replacing = (calls: Partial<LinuxSocket.LinuxSockets>): LinuxSocket.LinuxSockets =>
      Object.assign(Object.create(sockets) as LinuxSocket.LinuxSockets, calls)

    /** The calls, with a hand on what each received message left in memory. */
    const tampered = (tamper: (headers: number, call: number) => void): LinuxSocket.LinuxSockets => {
      let call = 0
      return replacing({
        recvmmsg: (fd, headers, count, flags) => {
          const received = sockets.recvmmsg(fd, headers, count, flags)
          if (received > 0) tamper(headers, call++)
          return received
        }
      })
    }
    const add = (address: number, n: number): void => {
      const bytes = bytesAt(address, 1)
      bytes[0] = (bytes[0] + n) & 0xff
    }
    const pointerAt = (address: number): number =>
      Number(new DataView(bytesAt(address, 8).slice().buffer).getBigUint64(0, true))
    /** The first message with control data is that of many datagrams. */
    const controlOf = (headers: number): number => bytesAt(headers + 40, 1)[0] > 0 ? pointerAt(headers + 32) : 0

    const table: ReadonlyArray<readonly [string, (headers: number, call: number) => void]> = [
      ["the length of a message", (headers) => add(headers + 56, 1)],
      ["the length of a source", (headers) => add(headers + 8, 1)],
      ["the flags of a message", (headers) => add(headers + 48, 1)],
      ["the family of a source", (headers) => add(pointerAt(headers), 1)],
      ["the port of a source", (headers) => add(pointerAt(headers) + 3, 1)],
      ["the address of a source", (headers) => add(pointerAt(headers) + 7, 1)],
      ["a byte of a message", (headers, call) => call > 0 && add(pointerAt(pointerAt(headers + 16)), 1)],
      ["the segment size of a message", (headers) => controlOf(headers) > 0 && add(controlOf(headers) + 16, 1)],
      ["the type of control data", (headers) => controlOf(headers) > 0 && add(controlOf(headers) + 12, 3)],
      ["a byte between the structures", (headers, call) => call === 0 && add(headers - 1, 1)]
    ]
    for (const [what, tamper] of table) {
      it(`${what} elsewhere than expected is a LayoutMismatch, and leaves no file open`, () => {
        const before = openFiles()
        const answer = socketSelfTest(tampered(tamper))
        assert.instanceOf(answer, FfiError)
        assert.strictEqual(answer.reason, "LayoutMismatch")
        assert.strictEqual(openFiles(), before)
      })
    }

    it("a kernel without UDP_SEGMENT and UDP_GRO is used without them", () => {
      const answer = socketSelfTest(replacing({
        setsockopt: (fd, level, option, value) => {
          if (level === LinuxSocket.SOL_UDP) throw new FfiError({ reason: "SystemCall", detail: "no such option" })
          sockets.setsockopt(fd, level, option, value)
        },
        sendmmsg: (fd, headers, count, flags) =>
          bytesAt(headers + 40, 1)[0] > 0 ? -22 : sockets.sendmmsg(fd, headers, count, flags)
      }))
      assert.notInstanceOf(answer, FfiError)
      assert.deepStrictEqual(answer, {
        segmentation: false,
        coalescing: false,
        dropCounts: true,
        localAddresses: false
      })
    })

    it("a kernel that refuses sockets is a failed self-test", () => {
      const answer = socketSelfTest(replacing({
        socket: () => {
          throw new FfiError({ reason: "SystemCall", detail: "socket failed: EPERM", code: "EPERM" })
        }
      }))
      assert.instanceOf(answer, FfiError)
      assert.strictEqual(answer.reason, "SelfTestFailed")
    })
  })
})
