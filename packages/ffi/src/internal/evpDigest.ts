import type { DigestAlgorithm } from "../OpenSsl.js"
import type { PinnedSlice } from "../PinnedMemory.js"
import type { Evp } from "./evp.js"
import { must } from "./evp.js"

const MOST_BLOCK_BYTES = 128
const MOST_DIGEST_BYTES = 64
/** Inputs of up to so many bytes are copied to pinned memory: cheaper than asking for their address. */
const PINNED_BYTES = 1536
const INFO_BYTES = 1024
/** RFC 5869, section 2.3: a block's number is a byte. */
const MOST_BLOCKS = 255

interface Digest {
  readonly handle: number
  readonly bytes: number
  readonly block: number
}

/**
 * Hashes, HMAC (RFC 2104) as the two hashes that it is, and the expanding half of HKDF (RFC 5869): nothing of a key stays
 * in a context.
 *
 * @internal
 */
export class EvpDigests {
  private readonly digests: { readonly [Name in DigestAlgorithm]: Digest }
  private readonly input: PinnedSlice
  /** What HMAC's outer hash reads: the padded key, and behind it what the inner one wrote. */
  private readonly outer: PinnedSlice
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
    this.outer = evp.slice(MOST_BLOCK_BYTES + MOST_DIGEST_BYTES)
    this.output = evp.slice(MOST_DIGEST_BYTES)
  }

  digest(algorithm: DigestAlgorithm, data: Uint8Array): Uint8Array {
    const digest = this.digests[algorithm]
    const { address, bytes } = this.input
    if (data.length > PINNED_BYTES) {
      this.run(digest, this.evp.addressOf(data), data.length, this.output.address)
    } else {
      bytes.set(data)
      this.run(digest, address, data.length, this.output.address)
      bytes.fill(0, 0, data.length)
    }
    return this.take(digest.bytes)
  }

  hmac(algorithm: DigestAlgorithm, key: Uint8Array, data: Uint8Array): Uint8Array {
    const digest = this.digests[algorithm]
    const { block } = digest
    const long = data.length > PINNED_BYTES ? new Uint8Array(block + data.length) : undefined
    const inner = long ?? this.input.bytes
    this.padKey(algorithm, inner, key)
    inner.set(data, block)
    this.authenticate(digest, long === undefined ? this.input.address : this.evp.addressOf(long), data.length)
    inner.fill(0, 0, block + data.length)
    this.outer.bytes.fill(0)
    return this.take(digest.bytes)
  }

  expand(algorithm: DigestAlgorithm, key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
    const digest = this.digests[algorithm]
    const { block, bytes } = digest
    if (info.length > INFO_BYTES) throw new RangeError(`info has ${info.length} bytes`)
    if (length > MOST_BLOCKS * bytes) throw new RangeError(`${length} bytes are asked for`)
    const { address, bytes: inner } = this.input
    const { bytes: made } = this.output
    const out = new Uint8Array(new ArrayBuffer(length))
    this.padKey(algorithm, inner, key)
    // the previous block, info, and the number of this block
    inner.set(info, block)
    let last = block + info.length
    for (let number = 1, written = 0; written < length; number++, written += bytes) {
      inner[last] = number
      this.authenticate(digest, address, last + 1 - block)
      if (number === 1) {
        inner.set(info, block + bytes)
        last = block + bytes + info.length
      }
      for (let i = 0; i < bytes; i++) {
        inner[block + i] = made[i]
        if (written + i < length) out[written + i] = made[i]
      }
    }
    inner.fill(0, 0, last + 1)
    this.outer.bytes.fill(0)
    made.fill(0)
    return out
  }

  /** Writes the key's two pads: the inner one into `inner`. */
  private padKey(algorithm: DigestAlgorithm, inner: Uint8Array, key: Uint8Array): void {
    const { block } = this.digests[algorithm]
    const { bytes: outer } = this.outer
    const short = key.length > block ? this.digest(algorithm, key) : key
    for (let i = 0; i < block; i++) {
      const byte = i < short.length ? short[i] : 0
      inner[i] = byte ^ 0x36
      outer[i] = byte ^ 0x5c
    }
    if (short !== key) short.fill(0)
  }

  /** HMAC under the padded key, of `length` bytes behind the pad at `inner`, into the output. */
  private authenticate(digest: Digest, inner: number, length: number): void {
    const { block, bytes } = digest
    const { address } = this.outer
    this.run(digest, inner, block + length, address + block)
    this.run(digest, address, block + bytes, this.output.address)
  }

  /** A copy of the digest; the slot is overwritten, as it may be a key. */
  private take(bytes: number): Uint8Array {
    const taken = this.output.bytes.slice(0, bytes)
    this.output.bytes.fill(0)
    return taken
  }

  private run({ handle }: Digest, address: number, length: number, output: number): void {
    must("EVP_Digest", this.evp.functions.EVP_Digest(address, length, output, 0, handle, 0))
  }
}
