import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { createHmac } from "node:crypto"
import * as Cookie from "../src/Cookie.js"

const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  new Uint8Array(createHmac("sha256", key).update(data).digest())

/** A jar with predictable secrets, and a record of what it drew and of what it gave to the MAC. */
const makeJar = (seed = 1) => {
  const drawn: Array<{ readonly at: Uint8Array; readonly bytes: string }> = []
  const macs: Array<{ readonly key: string; readonly data: string }> = []
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
  const jar = Cookie.make({
    fill: (out) => {
      out.set(createHmac("sha256", `${seed}`).update(`${drawn.length}`).digest().subarray(0, out.length))
      drawn.push({ at: out, bytes: hex(out) })
    },
    mac: (key, data) => {
      macs.push({ key: hex(key), data: hex(data) })
      return hmac(key, data)
    }
  })
  return { jar, drawn, macs }
}

const address = Uint8Array.from({ length: 24 }, (_, i) => i === 0 ? 4 : i * 7)
const fields = Uint8Array.from({ length: 12 }, (_, i) => 100 + i)

const mint = (jar: Cookie.CookieJar, now: number, from = address, of = fields): Uint8Array => {
  const out = new Uint8Array(Cookie.COOKIE_BYTES)
  jar.mint(now, from, 0, of, out, 0)
  return out
}

const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = bytes.slice()
  copy[bit >>> 3] ^= 1 << (bit & 7)
  return copy
}

describe("Cookie", () => {
  it.prop(
    "a cookie verifies in its window and the next one, and not after",
    [fc.integer({ min: 0, max: 1e12 }), fc.double({ min: 0, max: 20_000, noNaN: true })],
    ([start, later]) => {
      const { jar } = makeJar()
      const cookie = mint(jar, start)
      const windows = Math.floor((start + later) / Cookie.WINDOW_MS) - Math.floor(start / Cookie.WINDOW_MS)
      assert.strictEqual(jar.verify(start + later, address, 0, fields, cookie, 0), windows <= 1)
    }
  )

  it("a cookie lives at least five seconds and less than ten", () => {
    for (const start of [0, 1, 4999.999, 119_999, 120_000, 1e9 + 2500]) {
      const { jar } = makeJar()
      const cookie = mint(jar, start)
      assert.isTrue(jar.verify(start + 5000, address, 0, fields, cookie, 0))
      assert.isFalse(jar.verify(start + 10_000, address, 0, fields, cookie, 0))
    }
  })

  it("any other bit of address, fields or cookie is refused", () => {
    const { jar } = makeJar()
    const cookie = mint(jar, 7000)
    for (let bit = 0; bit < 24 * 8; bit++) {
      assert.isFalse(jar.verify(7000, flip(address, bit), 0, fields, cookie, 0), `address bit ${bit}`)
    }
    for (let bit = 0; bit < fields.length * 8; bit++) {
      assert.isFalse(jar.verify(7000, address, 0, flip(fields, bit), cookie, 0), `fields bit ${bit}`)
    }
    for (let bit = 0; bit < 128; bit++) {
      assert.isFalse(jar.verify(7000, address, 0, fields, flip(cookie, bit), 0), `cookie bit ${bit}`)
    }
    assert.isTrue(jar.verify(7000, address, 0, fields, cookie, 0))
  })

  it("fields of another length are refused, and the first ones still verify after them", () => {
    const { jar } = makeJar()
    const cookie = mint(jar, 0)
    assert.isFalse(jar.verify(0, address, 0, fields.subarray(0, 11), cookie, 0))
    assert.isFalse(jar.verify(0, address, 0, new Uint8Array([...fields, 0]), cookie, 0))
    assert.isTrue(jar.verify(0, address, 0, fields, cookie, 0))
  })

  it("two jars never accept each other's cookies", () => {
    const one = makeJar(1)
    const two = makeJar(2)
    assert.isFalse(two.jar.verify(100, address, 0, fields, mint(one.jar, 100), 0))
    assert.isFalse(one.jar.verify(100, address, 0, fields, mint(two.jar, 100), 0))
  })

  it("it is the first half of the MAC over label, window, address and fields", () => {
    const { drawn, jar, macs } = makeJar()
    const now = Cookie.WINDOW_MS * (2 ** 33 + 5)
    const cookie = mint(jar, now)
    const label = Buffer.from("intentra 2 cookie")
    const window = Buffer.alloc(6)
    window.writeUIntBE(2 ** 33 + 5, 0, 6)
    const data = Buffer.concat([label, window, address, fields])
    assert.deepStrictEqual(macs, [{ key: drawn[0].bytes, data: data.toString("hex") }])
    assert.deepStrictEqual(cookie, hmac(Buffer.from(drawn[0].bytes, "hex"), data).subarray(0, 16))
  })

  it("a cookie minted just before the secret rotates verifies just after, at most two MACs each time", () => {
    const { drawn, jar, macs } = makeJar()
    const cookie = mint(jar, Cookie.SECRET_MS - 0.001)
    macs.length = 0
    assert.isTrue(jar.verify(Cookie.SECRET_MS + 4999, address, 0, fields, cookie, 0))
    assert.strictEqual(macs.length, 2)
    assert.strictEqual(drawn.length, 2)
    assert.notStrictEqual(macs[0].key, macs[1].key)
    assert.isFalse(jar.verify(Cookie.SECRET_MS + 5000, address, 0, fields, cookie, 0))
    assert.isAtMost(macs.length, 4)
  })

  it("each secret differs from the one before and is drawn once in 120 s", () => {
    const { drawn, jar } = makeJar()
    for (let now = 0; now < 10 * Cookie.SECRET_MS; now += 1000) mint(jar, now)
    assert.strictEqual(drawn.length, 10)
    assert.strictEqual(new Set(drawn.map((_) => _.bytes)).size, 10)
    for (const { bytes } of drawn) assert.strictEqual(bytes.length, 64)
  })

  it("a secret is overwritten one window after its successor came", () => {
    const { drawn, jar } = makeJar()
    mint(jar, 0)
    mint(jar, Cookie.SECRET_MS)
    assert.isTrue(drawn[0].at.some((byte) => byte !== 0))
    mint(jar, Cookie.SECRET_MS + Cookie.WINDOW_MS)
    assert.isTrue(drawn[0].at.every((byte) => byte === 0))
    assert.isTrue(drawn[1].at.some((byte) => byte !== 0))
  })

  it("after a jump of hours nothing is valid, the old secrets are overwritten and a new one is drawn", () => {
    for (const jump of [Cookie.SECRET_MS * 30, Cookie.SECRET_MS * 31, Cookie.SECRET_MS * 60 + 777]) {
      const { drawn, jar } = makeJar()
      const cookies = [mint(jar, 119_000), mint(jar, 121_000)]
      for (const cookie of cookies) assert.isFalse(jar.verify(121_000 + jump, address, 0, fields, cookie, 0))
      assert.strictEqual(drawn.length, 3)
      const held = [...new Set(drawn.map((_) => _.at))].filter((at) => at.some((byte) => byte !== 0))
      assert.deepStrictEqual(held.map((at) => Buffer.from(at).toString("hex")), [drawn[2].bytes])
      assert.isTrue(jar.verify(121_000 + jump, address, 0, fields, mint(jar, 121_000 + jump), 0))
    }
  })

  it("time going backwards revives no cookie and no secret", () => {
    const { drawn, jar } = makeJar()
    const cookie = mint(jar, 1000)
    assert.isFalse(jar.verify(500_000, address, 0, fields, cookie, 0))
    assert.isFalse(jar.verify(1000, address, 0, fields, cookie, 0))
    assert.strictEqual(drawn.length, 2)
  })

  it("address, cookie and output are taken at their offsets, and nothing else is written", () => {
    const { jar } = makeJar()
    const cookie = mint(jar, 0)
    const addresses = new Uint8Array(100)
    addresses.set(address, 31)
    const out = new Uint8Array(40).fill(0xaa)
    jar.mint(0, addresses, 31, fields, out, 9)
    assert.deepStrictEqual(out.subarray(9, 25), cookie)
    assert.isTrue([...out.subarray(0, 9), ...out.subarray(25)].every((byte) => byte === 0xaa))
    assert.isTrue(jar.verify(0, addresses, 31, fields, out, 9))
    assert.isFalse(jar.verify(0, addresses, 30, fields, out, 9))
    assert.isFalse(jar.verify(0, addresses, 31, fields, out, 10))
  })

  it("a cookie or address that is cut short is refused without a throw", () => {
    const { jar } = makeJar()
    const cookie = mint(jar, 0)
    assert.isFalse(jar.verify(0, address, 0, fields, cookie.subarray(0, 15), 0))
    assert.isFalse(jar.verify(0, address, 0, fields, cookie, 1))
    assert.isFalse(jar.verify(0, address.subarray(0, 23), 0, fields, cookie, 0))
    assert.isFalse(jar.verify(0, address, 0, fields, new Uint8Array(0), 0))
    // What is missing must not pass for the zero that stood there.
    const endsInZero = address.slice()
    endsInZero[23] = 0
    assert.isFalse(jar.verify(0, endsInZero.subarray(0, 23), 0, fields, mint(jar, 0, endsInZero), 0))
    const varied = address.slice()
    let zeroCookie = cookie
    while (zeroCookie[15] !== 0) {
      varied[20]++
      if (varied[20] === 0) varied[21]++
      zeroCookie = mint(jar, 0, varied)
    }
    assert.isTrue(jar.verify(0, varied, 0, fields, zeroCookie, 0))
    assert.isFalse(jar.verify(0, varied, 0, fields, zeroCookie.subarray(0, 15), 0))
  })

  it("clear overwrites the secrets and makes every cookie worthless", () => {
    const { drawn, jar } = makeJar()
    const cookie = mint(jar, 0)
    jar.clear()
    assert.isTrue(drawn[0].at.every((byte) => byte === 0))
    assert.isFalse(jar.verify(0, address, 0, fields, cookie, 0))
    assert.strictEqual(drawn.length, 2)
  })

  it("an all-zero secret is never a key", () => {
    const { jar, macs } = makeJar()
    // 1,200,000 begins a secret's time right after a long pause: its predecessor was never drawn.
    for (const now of [0, 5000, 119_999, 120_000, 125_000, 240_000, 1_200_000, 1e7, 1e7 + 120_000]) {
      jar.verify(now, address, 0, fields, new Uint8Array(16), 0)
    }
    for (const { key } of macs) assert.notMatch(key, /^0+$/)
  })
})
