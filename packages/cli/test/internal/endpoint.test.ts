import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { formatEndpoint, parseEndpoint } from "../../src/internal/endpoint.js"

describe("parseEndpoint", () => {
  it.each([
    ["127.0.0.1:9000", "127.0.0.1", 9000],
    ["hub.example:1", "hub.example", 1],
    ["[::1]:65535", "::1", 65_535],
    ["[fe80::1%eth0]:9000", "fe80::1%eth0", 9000],
    ["9464", "127.0.0.1", 9464]
  ])("%s is an address", (text, host, port) => {
    assert.deepStrictEqual(Effect.runSync(parseEndpoint("--listen", text, 1)), { host, port })
  })

  it.each([
    "",
    "x",
    "127.0.0.1",
    "127.0.0.1:",
    ":9000",
    "a:0",
    "a:65536",
    "a:-1",
    "a:1e3",
    "::1:9000",
    "a:b:9",
    "[::1]9"
  ])(
    "%j is none, and the error names the option and a way to write it",
    (text) => {
      const error = Effect.runSync(Effect.flip(parseEndpoint("--listen", text, 1)))
      assert.strictEqual(error.reason, "InvalidArgument")
      assert.match(error.message, /^--listen is ".*", but must be HOST:PORT, such as 127\.0\.0\.1:9000/)
    }
  )

  it("what is formatted can be parsed", () => {
    for (const endpoint of [{ host: "::1", port: 9000 }, { host: "10.0.0.1", port: 1 }]) {
      assert.deepStrictEqual(Effect.runSync(parseEndpoint("--listen", formatEndpoint(endpoint), 0)), endpoint)
    }
  })
})
