import { Entropy } from "@intentra/crypto"
import * as Context from "effect/Context"
import { Handshake } from "../Handshake.js"
import { HandshakeGate } from "../HandshakeGate.js"
import { PacketCrypto } from "../PacketCrypto.js"
import { RateLimiter } from "../RateLimiter.js"
import { ReplayGuard } from "../ReplayGuard.js"
import { Strikes } from "../Strikes.js"
import type { Services } from "./core.js"

/** What the protocol is made of, from a context that has it all. The gate is a new one: its making draws entropy. */
export const servicesOf = (
  context: Context.Context<
    PacketCrypto | Entropy | Handshake | HandshakeGate | RateLimiter | ReplayGuard | Strikes
  >
): Services => ({
  crypto: Context.get(context, PacketCrypto),
  entropy: Context.get(context, Entropy),
  handshake: Context.get(context, Handshake),
  gate: Context.get(context, HandshakeGate).make(),
  rateLimiter: Context.get(context, RateLimiter),
  replayGuard: Context.get(context, ReplayGuard),
  strikes: Context.get(context, Strikes)
})
