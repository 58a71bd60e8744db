import * as Wire from "../../../src/internal/handshakeMessages.js"
import { u32 } from "./bytes.js"
import type { Packet } from "./socket.js"
import type { Station } from "./station.js"
import type { World } from "./world.js"

/** Makes the handshake datagrams that anybody can make who knows a station's public key. */
export class Forger {
  private readonly hellos = new Map<number, Uint8Array>()

  constructor(private readonly world: World) {}

  /** A hello that is right in everything, from an address that does not exist. */
  hello(target: Station, arena: Uint8Array, at: number): number {
    const { dice, mallory: { handshake } } = this.world
    const isPinned = !handshake.hasPsk && !dice.once(3)
    const nonce = new Uint8Array(Wire.NONCE_BYTES)
    dice.fill(nonce, 0, nonce.length)
    const mac1 = this.macOf(target, isPinned)
    arena.set(Wire.encodeHello(isPinned, handshake.pattern, dice.word(), nonce, mac1), at)
    // the echo needs the hello again: the nonce finds it
    this.hellos.set(u32(nonce, 0), arena.slice(at, at + Wire.HELLO_FIXED_END))
    if (this.hellos.size > 256) {
      for (const oldest of this.hellos.keys()) {
        this.hellos.delete(oldest)
        break
      }
    }
    return Wire.PADDED_BYTES
  }

  /** An echo with a genuine cookie and any Noise message 1. */
  echo(target: Station, challenge: Packet | undefined, arena: Uint8Array, at: number): number {
    const { dice } = this.world
    const hello = challenge === undefined ? undefined : this.hellos.get(u32(challenge.bytes, Wire.CHALLENGE_NONCE))
    if (challenge === undefined || hello === undefined) return this.hello(target, arena, at)
    const isPinned = (hello[Wire.FLAGS] & Wire.PINNED_FLAG) !== 0
    const message1 = new Uint8Array(dice.once(6) ? dice.below(1000) : 32)
    if (!dice.once(10)) dice.fill(message1, 0, message1.length)
    const cookie = challenge.bytes.subarray(Wire.CHALLENGE_COOKIE, Wire.CHALLENGE_COOKIE + Wire.COOKIE_BYTES)
    arena.set(Wire.encodeEcho(hello, cookie, message1, this.macOf(target, isPinned)), at)
    return Wire.PADDED_BYTES
  }

  /** mac1 anew, as anybody can who knows the target's public key. */
  remac(target: Station, arena: Uint8Array, at: number): void {
    const isPinned = (arena[at + Wire.FLAGS] & Wire.PINNED_FLAG) !== 0
    const end = Wire.fixedEnd(arena, at, arena[at + Wire.KIND])
    if (end < 0) return
    const mac1 = this.macOf(target, isPinned)
    arena.set(mac1(arena.subarray(at, at + end)).subarray(0, Wire.MAC1_BYTES), at + Wire.MAC1)
  }

  private macOf(target: Station, isPinned: boolean): (data: Uint8Array) => Uint8Array {
    const { handshake } = this.world.mallory
    return handshake.mac1(isPinned && !handshake.hasPsk ? target.handshake.publicKey : undefined)
  }
}
