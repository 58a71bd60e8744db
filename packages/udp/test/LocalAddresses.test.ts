import { assert, describe, it } from "@effect/vitest"
import { LinuxSocket } from "@intentra/ffi"
import { Effect, FastCheck as fc, type Scope } from "effect"
import { constants } from "node:os"
import { Address } from "../src/index.js"
import type { ReceiveBatch, UdpSocketOptions, UdpSocketShape } from "../src/index.js"
import * as batch from "../src/internal/batch.js"
import { LocalAddresses } from "../src/internal/localAddresses.js"
import { collect, idOf, numbered, put } from "./support/contract.js"
import { answering, hasBatch, hasIPv6, hasLocals, hostUntil, type Send } from "./support/kits.js"

const { LOCAL_BYTES } = LinuxSocket
if (!hasLocals) process.stdout.write("Answers from the address that was asked are skipped: no IP_PKTINFO here\n")

describe.skipIf(!hasBatch)("LocalAddresses", () => {
  const local = fc.integer({ min: 0, max: 400 }).map((n) => {
    const bytes = new Uint8Array(LOCAL_BYTES)
    bytes.set([0xff, 0xff, 10, 0, n >> 8, n & 0xff], 10)
    return bytes
  })

  it.prop(
    "an address has one number and a number one address, the first 255 of them; the others have none",
    [fc.array(local, { maxLength: 600 })],
    ([asked]) => {
      const table = new LocalAddresses()
      const seen = new Map<string, number>()
      for (const bytes of asked) {
        const key = bytes.join()
        const number = table.numberOf(bytes, 0)
        const expected = seen.get(key) ?? (seen.size < 255 ? seen.size + 1 : 0)
        if (expected > 0) seen.set(key, expected)
        assert.strictEqual(number, expected)
        if (number > 0) {
          assert.deepStrictEqual(table.bytes.slice(number * LOCAL_BYTES, (number + 1) * LOCAL_BYTES), bytes)
        }
      }
    }
  )

  it("a group of IPv6 has none, and nor has what was never asked", () => {
    const table = new LocalAddresses()
    const group = new Uint8Array(LOCAL_BYTES)
    group.set([0xff, 2])
    assert.strictEqual(table.numberOf(group, 0), 0)
    assert.strictEqual(table.numberOf(new Uint8Array(LOCAL_BYTES), 0), 1)
  })
})

const law = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>): void => {
  it.scopedLive(name, () => body)
}

const open = (host: string, options: UdpSocketOptions = {}) => batch.make({ host, port: 0, ...options })

/** Answers every datagram, from the handler, as a transport does a stranger or a session. */
const echo = (socket: UdpSocketShape, lasting: boolean): void => {
  socket.setHandler((received: ReceiveBatch) => {
    const { addressOffsets, addresses, arena, count, first, lengths, offsets } = received
    const table = socket.addresses
    for (let i = first; i < count; i++) {
      const id = lasting ? table.acquire(addresses, addressOffsets[i]) : table.transient(addresses, addressOffsets[i])
      put(socket, id, arena.slice(offsets[i], offsets[i] + lengths[i]))
    }
    socket.send()
  })
}

describe.skipIf(!hasLocals)("a socket of all addresses", () => {
  for (const lasting of [false, true]) {
    law(
      `answers ${lasting ? "whom it knows" : "a stranger"} from the address that was asked, singly and by the batch`,
      Effect.gen(function*() {
        const hub = yield* open("0.0.0.0")
        echo(hub, lasting)
        const peer = yield* open("127.0.0.1")
        const received = collect(peer)
        const { port } = hub.localAddress
        const hosts = ["127.0.0.3", "127.0.0.1", "127.0.0.2"]
        const expected: Array<string> = []
        for (const [round, times] of [1, 20, 3].entries()) {
          for (const host of hosts) {
            const id = idOf(peer, { host, port })
            for (let n = 0; n < times; n++) {
              put(peer, id, numbered(round, 40))
              expected.push(host)
            }
            peer.send()
          }
        }
        yield* hostUntil(() => received.length === expected.length)
        assert.deepStrictEqual(received.map(({ from }) => from), expected.map((host) => ({ host, port })))
      })
    )
  }

  law(
    "of IPv6 answers IPv4 and IPv6 from the address that was asked",
    Effect.gen(function*() {
      if (!hasIPv6) return
      const hub = yield* open("::")
      echo(hub, true)
      const { port } = hub.localAddress
      const asked = ["127.0.0.2", "::1", "127.0.0.1"]
      for (const host of asked) {
        const peer = yield* open(host === "::1" ? "::1" : "127.0.0.1")
        const received = collect(peer)
        put(peer, idOf(peer, { host, port }), numbered(1, 40))
        peer.send()
        yield* hostUntil(() => received.length === 1)
        assert.deepStrictEqual(received[0].from, { host, port })
      }
    })
  )

  law(
    "one source is the same whichever address it asks",
    Effect.gen(function*() {
      const hub = yield* open("0.0.0.0")
      const peer = yield* open("127.0.0.1")
      const seen: Array<Uint8Array> = []
      hub.setHandler(({ addressOffsets, addresses, count }) => {
        for (let i = 0; i < count; i++) {
          seen.push(addresses.slice(addressOffsets[i], addressOffsets[i] + Address.ADDRESS_BYTES))
        }
      })
      const { port } = hub.localAddress
      for (const host of ["127.0.0.1", "127.0.0.2"]) {
        put(peer, idOf(peer, { host, port }), numbered(1, 4))
        peer.send()
      }
      yield* hostUntil(() => seen.length === 2)
      assert.notStrictEqual(seen[0][1], seen[1][1])
      assert.isTrue(Address.equals(seen[0], 0, seen[1], 0))
    })
  )

  law(
    "answers from where the system likes once it has the asked address no more",
    Effect.gen(function*() {
      let refusals = 1
      const refusing = (real: Send): Send => (fd, headers, count, flags) =>
        refusals-- > 0 ? -constants.errno.EINVAL : real(fd, headers, count, flags)
      const hub = yield* batch.make({ host: "0.0.0.0", port: 0 }, () => answering(refusing))
      echo(hub, true)
      const peer = yield* open("127.0.0.1")
      const received = collect(peer)
      const { port } = hub.localAddress
      put(peer, idOf(peer, { host: "127.0.0.2", port }), numbered(1, 40))
      peer.send()
      yield* hostUntil(() => received.length === 1)
      assert.deepStrictEqual(received[0], { bytes: numbered(1, 40), length: 40, from: { host: "127.0.0.1", port } })
      assert.strictEqual(hub.stats.sendErrors, 0)
    })
  )
})
