import type { DigestAlgorithm } from "../OpenSsl.js"
import type { PinnedSlice } from "../PinnedMemory.js"
import type { Evp } from "./evp.js"
import { must } from "./evp.js"

const MOST_BLOCK_BYTES = 128
const MOST_DIGEST_BYTES = 64
/** Inputs of up to so many bytes are copied to pinned memory: cheaper than asking for their address. */
const PINNED_BYTES = 1024

interface Digest {
  readonly handle: number
  readonly bytes: number
  readonly block: number
}

/**
 * Hashes, and HMAC (RFC 2104) as the two hashes that it is: one native call each, and nothing of the key stays in a
 * context.
 *
 * @internal
 */
export class EvpDigests {
  private readonly digests: { readonly [Name in DigestAlgorithm]: Digest }
  private readonly input: PinnedSlice
  private readonly output: PinnedSlice

  constructor(private readonly evp: Evp) {
    const fetch = (name: string, bytes: number, block: number): Digest => ({
      handle: must(`EVP_MD_fetch("${name}")`, evp.functions.EVP_MD_fetch(0, evp.text(name), 0)),
      bytes,
      block
    })
    this.digests = {
      SHA256: fetch("SHA2-256", 32, 64),
      SHA512: fetch("SHA2-512", 64, 128),
      BLAKE2s: fetch("BLAKE2S-256", 32, 64),
      BLAKE2b: fetch("BLAKE2B-512", 64, 128)
    }
    this.input = evp.slice(MOST_BLOCK_BYTES + PINNED_BYTES)
    this.output = evp.slice(MOST_DIGEST_BYTES)
  }

  digest(algorithm: DigestAlgorithm, data: Uint8Array): Uint8Array {
    const digest = this.digests[algorithm]
    if (data.length > PINNED_BYTES) {
      this.run(digest, this.evp.addressOf(data), data.length)
    } else {
      this.input.bytes.set(data)
      this.run(digest, this.input.address, data.length)
      this.input.bytes.fill(0, 0, data.length)
    }
    return this.take(digest.bytes)
  }

  hmac(algorithm: DigestAlgorithm, key: Uint8Array, data: Uint8Array): Uint8Array {
    const digest = this.digests[algorithm]
    const { block, bytes } = digest
    const short = key.length > block ? this.digest(algorithm, key) : key
    const long = data.length > PINNED_BYTES ? new Uint8Array(block + data.length) : undefined
    const inner = long ?? this.input.bytes
    pad(inner, short, block, 0x36)
    inner.set(data, block)
    this.run(digest, long === undefined ? this.input.address : this.evp.addressOf(long), block + data.length)
    inner.fill(0, 0, block + data.length)
    const outer = this.input.bytes
    pad(outer, short, block, 0x5c)
    outer.set(this.output.bytes.subarray(0, bytes), block)
    this.run(digest, this.input.address, block + bytes)
    outer.fill(0, 0, block + bytes)
    if (short !== key) short.fill(0)
    return this.take(bytes)
  }

  /** A copy of the digest; the slot is overwritten, as it may be a key. */
  private take(bytes: number): Uint8Array {
    const taken = this.output.bytes.slice(0, bytes)
    this.output.bytes.fill(0)
    return taken
  }

  private run({ handle }: Digest, address: number, length: number): void {
    must("EVP_Digest", this.evp.functions.EVP_Digest(address, length, this.output.address, 0, handle, 0))
  }
}

const pad = (out: Uint8Array, key: Uint8Array, block: number, byte: number): void => {
  for (let i = 0; i < key.length; i++) out[i] = key[i] ^ byte
  out.fill(byte, key.length, block)
}
