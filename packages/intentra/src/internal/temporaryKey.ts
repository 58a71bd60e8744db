import type { Entropy, X25519 } from "@intentra/crypto"
import * as Effect from "effect/Effect"
import * as StaticKey from "../StaticKey.js"

/** A new key for the life of a transport that was given none. Its public half is logged: peers may have to know it. */
export const temporaryKey: Effect.Effect<StaticKey.KeyPair, never, Entropy | X25519> = Effect.tap(
  StaticKey.generate,
  ({ publicKey }) =>
    Effect.logInfo(`no static key given: made one for this run, public key ${StaticKey.encode(publicKey)}`)
)
