import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import type { StateCodec } from "../StateEntry.js"

const encoder = new TextEncoder()

/** JSON text of what the schema encodes to. Both directions throw what is wrong. */
export const jsonCodec = <A, I>(schema: Schema.Schema<A, I>): StateCodec<A> => {
  const encode = ParseResult.encodeSync(schema)
  const decode = ParseResult.decodeUnknownSync(schema)
  return {
    encode: (value) => {
      const text = JSON.stringify(encode(value)) as string | undefined
      if (text === undefined) throw new TypeError("the schema encodes this value to undefined, which JSON has not")
      return encoder.encode(text)
    },
    decode: (bytes) => decode(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8")))
  }
}
