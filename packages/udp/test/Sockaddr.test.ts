import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { Address } from "../src/index.js"
import { isReachable, nameBytes, readName, writeName } from "../src/internal/sockaddr.js"

const bytesOf = (host: string, port: number): Uint8Array => {
  const bytes = new Uint8Array(Address.ADDRESS_BYTES)
  assert.isTrue(Address.write(host, port, bytes, 0))
  return bytes
}

const port = fc.integer({ min: 1, max: 65_535 })
const ipv6 = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 0xffffffff })).map(([host, scope]) =>
  scope === 0 ? host : `${host}%${scope}`
).filter((host) => Address.write(host, 1, new Uint8Array(Address.ADDRESS_BYTES), 0))

describe("an address in the system's form", () => {
  it.prop("reads back as it was written, on a socket of its family and IPv4 on one of IPv6 too", [
    fc.oneof(fc.ipV4(), ipv6),
    port,
    fc.boolean(),
    fc.integer({ min: 0, max: 7 })
  ], ([host, port, onIPv6, shift]) => {
    const address = bytesOf(host, port)
    const reachable = address[0] === 4 || onIPv6
    assert.strictEqual(isReachable(address, 0, onIPv6), reachable)
    if (!reachable) return
    const name = new Uint8Array(40).fill(0xee)
    writeName(address, 0, onIPv6, name, shift)
    assert.isTrue(name.subarray(shift + nameBytes(onIPv6)).every((byte) => byte === 0xee))
    const back = new Uint8Array(Address.ADDRESS_BYTES).fill(0xee)
    assert.isTrue(readName(name, shift, back, 0))
    assert.deepStrictEqual(back, address)
  })

  it("has the bytes that the C library's headers say", () => {
    const four = new Uint8Array(16)
    writeName(bytesOf("1.2.3.4", 0x1234), 0, false, four, 0)
    assert.deepStrictEqual(Array.from(four), [2, 0, 0x12, 0x34, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0])
    const six = new Uint8Array(28)
    writeName(bytesOf("fe80::1%3", 0x1234), 0, true, six, 0)
    const expected = new Uint8Array(28)
    expected.set([10, 0, 0x12, 0x34])
    expected.set([0xfe, 0x80], 8)
    expected[23] = 1
    expected[24] = 3
    assert.deepStrictEqual(six, expected)
  })

  it("of another family is not read", () => {
    assert.isFalse(readName(new Uint8Array(28).fill(1), 0, new Uint8Array(24), 0))
  })

  it("with port 0 can be bound and not sent to", () => {
    assert.isFalse(isReachable(bytesOf("1.2.3.4", 0), 0, false))
    assert.isFalse(isReachable(bytesOf("::1", 0), 0, true))
  })
})
