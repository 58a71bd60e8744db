import type { PinnedSlice } from "../PinnedMemory.js"
import type { Evp, Params } from "./evp.js"
import { must } from "./evp.js"

const DH_BYTES = 32
const POINTER_BYTES = 8
// EVP_PKEY_KEYPAIR (openssl/evp.h).
const KEY_PAIR = 0x87

/**
 * X25519 over EVP. A key pair is imported with some public key, because OpenSSL reckons a missing one out, which costs
 * as much as the agreement, and the agreement does not read it.
 *
 * @internal
 */
export class EvpX25519 {
  private readonly name: number
  private readonly importer: number
  private readonly secret: PinnedSlice
  private readonly peer: PinnedSlice
  private readonly output: PinnedSlice
  private readonly length: PinnedSlice
  private readonly handle: PinnedSlice
  private readonly pairParams: Params
  /** Whom a secret key agrees with: one key object, whose public key is set anew each time. */
  private readonly other: number

  constructor(private readonly evp: Evp) {
    const { functions } = evp
    this.name = evp.text("X25519")
    this.importer = must("EVP_PKEY_CTX_new_from_name", functions.EVP_PKEY_CTX_new_from_name(0, this.name, 0))
    must("EVP_PKEY_fromdata_init", functions.EVP_PKEY_fromdata_init(this.importer))
    this.secret = evp.slice(DH_BYTES)
    this.peer = evp.slice(DH_BYTES)
    this.output = evp.slice(DH_BYTES)
    this.length = evp.slice(POINTER_BYTES)
    this.handle = evp.slice(POINTER_BYTES)
    this.pairParams = evp.params(
      [evp.text("priv"), this.secret.address, DH_BYTES],
      [evp.text("pub"), this.peer.address, DH_BYTES]
    )
    this.other = must("EVP_PKEY_fromdata", this.import())
  }

  publicKey(secretKey: Uint8Array): Uint8Array {
    const { evp, output, secret } = this
    const { functions } = evp
    secret.bytes.set(secretKey)
    const pair = functions.EVP_PKEY_new_raw_private_key_ex(0, this.name, 0, secret.address, DH_BYTES)
    secret.bytes.fill(0)
    this.expectLength()
    const got = pair === 0 ? 0 : functions.EVP_PKEY_get_raw_public_key(pair, output.address, this.length.address)
    functions.EVP_PKEY_free(pair)
    if (got !== 1) evp.clearErrors()
    must("EVP_PKEY_get_raw_public_key", got)
    return output.bytes.slice()
  }

  /** The shared secret, or `undefined` for a public key of low order: OpenSSL refuses a result of zeros. */
  sharedSecret(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    const { evp, other, output, peer, secret } = this
    const { functions } = evp
    secret.bytes.set(secretKey)
    peer.bytes.set(publicKey)
    const pair = this.import()
    secret.bytes.fill(0)
    const context = pair === 0 ? 0 : functions.EVP_PKEY_CTX_new(pair, 0)
    const begun = context !== 0 && functions.EVP_PKEY_derive_init(context) === 1 &&
      functions.EVP_PKEY_set1_encoded_public_key(other, peer.address, DH_BYTES) === 1 &&
      functions.EVP_PKEY_derive_set_peer_ex(context, other, 0) === 1
    this.expectLength()
    const agreed = begun && functions.EVP_PKEY_derive(context, output.address, this.length.address) === 1
    functions.EVP_PKEY_CTX_free(context)
    functions.EVP_PKEY_free(pair)
    if (!agreed) evp.clearErrors()
    must("EVP_PKEY_derive_init", begun ? 1 : 0)
    const result = agreed ? output.bytes.slice() : undefined
    output.bytes.fill(0)
    return result
  }

  /** What is in the slots of secret and peer, as a key pair. */
  private import(): number {
    this.handle.view.setBigUint64(0, 0n)
    this.evp.functions.EVP_PKEY_fromdata(this.importer, this.handle.address, KEY_PAIR, this.pairParams.address)
    return Number(this.handle.view.getBigUint64(0, true))
  }

  private expectLength(): void {
    this.length.view.setBigUint64(0, BigInt(DH_BYTES), true)
  }
}
