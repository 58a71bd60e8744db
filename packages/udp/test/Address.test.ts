import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { isIP } from "node:net"
import { Address } from "../src/index.js"

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()
const port = fc.integer({ min: 0, max: 65_535 })
const bytes = () => new Uint8Array(Address.ADDRESS_BYTES)

/** An encoded address of any family with a scope now and then. */
const encoded = fc.record({
  six: fc.boolean(),
  port,
  groups: fc.array(fc.constantFrom(0, 0, 1, 0xff, 0xffff, 0xdb8), { minLength: 8, maxLength: 8 }),
  scope: fc.constantFrom(0, 0, 7, 0xffffffff)
}).map(({ groups, port, scope, six }) => {
  const out = bytes()
  const view = new DataView(out.buffer)
  out[0] = six ? 6 : 4
  view.setUint16(2, port)
  if (!six) view.setUint32(4, (groups[0] << 16 | groups[1]) >>> 0)
  else {
    // Outside of ::ffff:0:0/96, which has another form.
    groups.forEach((group, i) => view.setUint16(4 + 2 * i, i === 0 ? group | 0x2000 : group))
    view.setUint32(20, scope)
  }
  return out
})

describe("Address", () => {
  it.prop("what decode reads, encode writes", [encoded], ([address]) => {
    const out = bytes().fill(0xee)
    assert.isTrue(Address.encode(Address.decode(address, 0), out, 0))
    assert.deepStrictEqual(out, address)
  })

  it.prop("what format writes, parse reads", [encoded], ([address]) => {
    assert.deepStrictEqual(Address.parse(Address.format(address, 0)), Address.decode(address, 0))
  })

  it.prop("every literal that the platform knows is read to the same address in canonical text", [
    fc.oneof(ipv4, ipv6),
    port
  ], ([host, port]) => {
    const out = bytes()
    assert.isTrue(Address.encode({ host, port }, out, 0))
    const read = Address.decode(out, 0)
    assert.strictEqual(read.port, port)
    const expected = host.includes(":") ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host
    // A mapped address is IPv4 here.
    if (!expected.startsWith("::ffff:")) assert.strictEqual(read.host, expected)
  })

  it.prop("a text is read exactly when the platform takes it for an IP literal", [
    fc.stringMatching(/^[0-9a-f:.]{0,20}$/)
  ], ([host]) => {
    assert.strictEqual(Address.encode({ host, port: 1 }, bytes(), 0), isIP(host) !== 0)
  }, { fastCheck: { numRuns: 1_000 } })

  it.prop("two addresses are equal exactly when their bytes are", [encoded, encoded, fc.nat(40)], ([a, b, shift]) => {
    const moved = new Uint8Array(Address.ADDRESS_BYTES + shift)
    moved.set(b, shift)
    assert.strictEqual(Address.equals(a, 0, moved, shift), a.every((byte, i) => byte === b[i]))
    assert.isTrue(Address.equals(b, 0, moved, shift))
  })

  const canonical: ReadonlyArray<readonly [string, string]> = [
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:DB8::AB", "2001:db8::ab"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["fe80::1%7", "fe80::1%7"]
  ]
  for (const [text, expected] of canonical) {
    it(`${text} is ${expected} in canonical form`, () => {
      const out = bytes()
      assert.isTrue(Address.encode({ host: text, port: 5 }, out, 0))
      assert.strictEqual(Address.decode(out, 0).host, expected)
    })
  }

  it("an IPv4-mapped address is the same address as the IPv4 one", () => {
    const a = bytes()
    const b = bytes()
    Address.encode({ host: "::ffff:127.0.0.1", port: 9 }, a, 0)
    Address.encode({ host: "127.0.0.1", port: 9 }, b, 0)
    assert.isTrue(Address.equals(a, 0, b, 0))
  })

  for (
    const host of [
      "",
      "localhost",
      "1.2.3",
      "1.2.3.4.5",
      "256.1.1.1",
      "01.2.3.4",
      "1..2.3",
      "1.2.3.4 ",
      ":",
      ":::",
      "1::2::3",
      "1:2:3:4::5:6:7:8",
      "::1:2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "12345::",
      "::1%",
      "::1%no-such-interface",
      "1:2:3:4:5:6:7:1.2.3.4",
      "::ffff:1.2.3.4%1",
      "fe80::1%4294967296"
    ]
  ) {
    it(`"${host}" is no host`, () => {
      assert.isFalse(Address.encode({ host, port: 1 }, bytes(), 0))
    })
  }

  it("a port out of range or with a fraction is refused", () => {
    for (const port of [-1, 65_536, 1.5, NaN, Infinity]) {
      assert.isFalse(Address.encode({ host: "1.2.3.4", port }, bytes(), 0))
    }
  })

  it("an address that does not fit is refused and nothing is written", () => {
    const out = new Uint8Array(Address.ADDRESS_BYTES)
    assert.isFalse(Address.encode({ host: "1.2.3.4", port: 1 }, out, 1))
    assert.isTrue(out.every((byte) => byte === 0))
  })

  for (
    const text of [
      "1.2.3.4",
      "1.2.3.4:",
      ":80",
      "::1:80",
      "[::1]",
      "[1.2.3.4]:5",
      "1.2.3.4:99999",
      "1.2.3.4:-1",
      "[::1:5"
    ]
  ) {
    it(`"${text}" is no address with a port`, () => {
      assert.isUndefined(Address.parse(text))
    })
  }
})
