import { FfiError } from "../FfiError.js"
import type { CipherAlgorithm, OpenSsl } from "../OpenSsl.js"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0

interface SealVector {
  readonly algorithm: CipherAlgorithm
  readonly source: string
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly plaintext: string
  readonly sealed: string
}

const sealVectors: ReadonlyArray<SealVector> = [
  {
    algorithm: "AES-256-GCM",
    source: "GCM specification, test case 16",
    key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
    nonce: "cafebabefacedbaddecaf888",
    aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
      "76fc6ece0f4e1768cddf8853bb2d551b"
  },
  {
    algorithm: "ChaCha20-Poly1305",
    source: "RFC 8439, section 2.8.2",
    key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
    nonce: "070000004041424344454647",
    aad: "50515253c0c1c2c3c4c5c6c7",
    plaintext: "4c616469657320616e642047656e746c656d656e206f662074686520636c6173" +
      "73206f66202739393a204966204920636f756c64206f6666657220796f75206f" +
      "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73" +
      "637265656e20776f756c642062652069742e",
    sealed: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
      "3ff4def08e4b7a9de576d26586cec64b6116" +
      "1ae10b594f09e26a7e902ecbd0600691"
  }
]

// RFC 7748, section 6.1.
const alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
const bobPublic = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
const alicePublic = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
const agreed = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")

// RFC 4231, section 4.3: HMAC-SHA-256; it holds for SHA-256 too.
const macKey = Buffer.from("Jefe")
const macData = Buffer.from("what do ya want for nothing?")
const mac = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")

// RFC 5869, appendix A.1.
const expandKey = hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
const expandInfo = hex("f0f1f2f3f4f5f6f7f8f9")
const expanded = hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")

const sealsAndOpens = (openSsl: OpenSsl, vector: SealVector): boolean => {
  const cipher = openSsl.makeCipher(vector.algorithm, hex(vector.key))
  const nonce = hex(vector.nonce)
  const aad = hex(vector.aad)
  const plaintext = hex(vector.plaintext)
  const sealed = new Uint8Array(plaintext.length + 16)
  const opened = new Uint8Array(plaintext.length)
  const right = cipher.seal(nonce, aad, plaintext, sealed) === sealed.length &&
    same(sealed, hex(vector.sealed)) &&
    cipher.open(nonce, aad, sealed, opened) === opened.length &&
    same(opened, plaintext)
  sealed[sealed.length - 1] ^= 1
  opened.fill(0)
  const refused = cipher.open(nonce, aad, sealed, opened) === -1 && opened.every((byte) => byte === 0)
  cipher.destroy()
  return right && refused
}

/** Packets, whose nonces are counted, are what `seal` makes under nonces that are written out. */
const countsNonces = (openSsl: OpenSsl, algorithm: CipherAlgorithm): boolean => {
  const key = new Uint8Array(32).fill(7)
  const counting = openSsl.makeCipher(algorithm, key)
  const plain = openSsl.makeCipher(algorithm, key)
  const right = [0, 1, 2, 9, 10, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 5].every((counter) => {
    const nonce = Buffer.alloc(12)
    if (algorithm === "AES-256-GCM") nonce.writeBigUInt64BE(BigInt(counter), 4)
    else nonce.writeBigUInt64LE(BigInt(counter), 4)
    const packet = new Uint8Array(96).fill(3)
    const sealed = new Uint8Array(80)
    const opened = new Uint8Array(64)
    return counting.sealPacket(packet, 0, 16, 64, counter) === 96 &&
      plain.seal(nonce, new Uint8Array(16).fill(3), new Uint8Array(64).fill(3), sealed) === 80 &&
      same(packet.subarray(16), sealed) &&
      plain.openPacket(packet, 0, 16, 96, counter + 1, packet.slice(), 16) === -1 &&
      plain.openPacket(packet, 0, 16, 96, counter, opened, 0) === 64 &&
      opened.every((byte) => byte === 3)
  })
  counting.destroy()
  plain.destroy()
  return right
}

/** A key that was destroyed, used or not, does nothing more. */
const ends = (openSsl: OpenSsl, algorithm: CipherAlgorithm): boolean =>
  [false, true].every((used) => {
    const cipher = openSsl.makeCipher(algorithm, new Uint8Array(32).fill(9))
    const packet = new Uint8Array(96)
    if (used && cipher.sealPacket(packet, 0, 16, 64, 0) !== 96) return false
    cipher.destroy()
    return cipher.sealPacket(packet, 0, 16, 64, 1) === -1
  })

const failure = (openSsl: OpenSsl): string | undefined => {
  for (const vector of sealVectors) {
    if (!sealsAndOpens(openSsl, vector)) return `${vector.algorithm}: ${vector.source}`
    if (!countsNonces(openSsl, vector.algorithm)) return `${vector.algorithm}: nonces by counter`
    if (!ends(openSsl, vector.algorithm)) return `${vector.algorithm}: a destroyed key`
  }
  if (!same(openSsl.x25519PublicKey(alice), alicePublic)) return "X25519 public key: RFC 7748, section 6.1"
  if (!same(openSsl.x25519(alice, bobPublic), agreed)) return "X25519: RFC 7748, section 6.1"
  if (openSsl.x25519(alice, new Uint8Array(32)) !== undefined) return "X25519: a public key of low order"
  if (!same(openSsl.hmac("SHA256", macKey, macData), mac)) return "HMAC-SHA256: RFC 4231, section 4.3"
  if (!same(openSsl.hkdfExpand("SHA256", expandKey, expandInfo, expanded.length), expanded)) {
    return "HKDF-SHA256: RFC 5869, appendix A.1"
  }
  return openSsl.liveContexts === 0 ? undefined : `${openSsl.liveContexts} contexts were not freed`
}

/**
 * Whether the functions do what they must: vectors of third parties sealed, opened and agreed, forgeries refused.
 *
 * @internal
 */
export const selfTest = (openSsl: OpenSsl): FfiError | undefined => {
  const failed = failure(openSsl)
  return failed === undefined ? undefined : new FfiError({ reason: "SelfTestFailed", detail: failed })
}
