import type { Call, CallSequence } from "./callSequence.js"
import { CallRecord } from "./callSequence.js"
import { NONCE_BYTES, TAG_BYTES } from "./cipherKeys.js"
import type { Evp, EvpFunctions, ParamEntry, Params } from "./evp.js"
import type { NativeFunction } from "./koffi.js"

/** What OpenSSL is called for, for one packet, in a context that counts nonces or does not. False when it refused. */
type PacketCall = (
  counting: boolean,
  context: number,
  aad: number,
  aadLength: number,
  source: number,
  length: number,
  target: number
) => boolean

/**
 * The calls of one packet, once its context has its key.
 *
 * @internal
 */
export interface PacketCalls {
  /** Whether a packet is one native call. */
  readonly joined: boolean
  /**
   * Seals under the nonce in its slot, or, counting, under the one that the context counted to, and lets it count on. The
   * tag goes behind the target.
   */
  readonly seal: PacketCall
  /** Opens under the nonce in its slot. The tag lies behind the source. */
  readonly open: PacketCall
}

/** What both ways of calling have in pinned memory. */
class PacketMemory {
  readonly final: number
  readonly takeTag: Params
  readonly takeTagAndStep: Params
  readonly giveTag: Params
  readonly giveTagAndNonce: Params

  constructor(evp: Evp, readonly nonce: number, step: ParamEntry) {
    const tag = [evp.text("tag"), 0, TAG_BYTES] as const
    // where the last call of a packet says that it wrote nothing: all was written before
    this.final = evp.slice(TAG_BYTES).address
    this.takeTag = evp.params(tag)
    this.takeTagAndStep = evp.params(tag, step)
    this.giveTag = evp.params(tag)
    this.giveTagAndNonce = evp.params(tag, [evp.text("tlsivinv"), nonce, NONCE_BYTES])
  }
}

// EVP_Cipher is EVP_EncryptUpdate without a length to point to: it returns it. Only EVP_*Final_ex ends a packet: to
// ChaCha20-Poly1305 an EVP_Cipher of no bytes is nothing at all, and any tag would do.

class SingleCalls implements PacketCalls {
  readonly joined = false
  // As fields: a lookup by name in the table of all functions is slower.
  private readonly run: NativeFunction
  private readonly getParams: NativeFunction
  private readonly setParams: NativeFunction
  private readonly beginSealing: NativeFunction
  private readonly beginOpening: NativeFunction
  private readonly endSealing: NativeFunction
  private readonly endOpening: NativeFunction

  constructor({ functions }: Evp, private readonly memory: PacketMemory) {
    this.run = functions.EVP_Cipher
    this.getParams = functions.EVP_CIPHER_CTX_get_params
    this.setParams = functions.EVP_CIPHER_CTX_set_params
    this.beginSealing = functions.EVP_EncryptInit_ex
    this.beginOpening = functions.EVP_DecryptInit_ex2
    this.endSealing = functions.EVP_EncryptFinal_ex
    this.endOpening = functions.EVP_DecryptFinal_ex
  }

  seal(
    counting: boolean,
    context: number,
    aad: number,
    aadLength: number,
    source: number,
    length: number,
    target: number
  ): boolean {
    const { final, nonce, takeTag, takeTagAndStep } = this.memory
    const tag = counting ? takeTagAndStep : takeTag
    tag.pointFirst(target + length)
    return (counting || this.beginSealing(context, 0, 0, 0, nonce) === 1) &&
      this.run(context, 0, aad, aadLength) === aadLength && this.run(context, target, source, length) === length &&
      this.endSealing(context, final, final) === 1 && this.getParams(context, tag.address) === 1
  }

  open(
    counting: boolean,
    context: number,
    aad: number,
    aadLength: number,
    source: number,
    length: number,
    target: number
  ): boolean {
    const { final, giveTag, giveTagAndNonce, nonce } = this.memory
    const tag = counting ? giveTagAndNonce : giveTag
    tag.pointFirst(source + length)
    const begun = counting
      ? this.setParams(context, tag.address)
      : this.beginOpening(context, 0, 0, nonce, tag.address)
    return begun === 1 &&
      this.run(context, 0, aad, aadLength) === aadLength && this.run(context, target, source, length) === length &&
      this.endOpening(context, final, final) === 1
  }
}

// Fields of the record. Of each packet:
const CONTEXT = 0
const AAD = 1
const AAD_LENGTH = 2
const SOURCE = 3
const LENGTH = 4
const TARGET = 5
// The same for all:
const NOTHING = 6
const ONE = 7
const NONCE = 8
const FINAL = 9
const TAKE_TAG = 10
const TAKE_TAG_AND_STEP = 11
const GIVE_TAG = 12
const GIVE_TAG_AND_NONCE = 13

type EvpCall = Call<keyof EvpFunctions>

const authenticate: EvpCall = { name: "EVP_Cipher", takes: [CONTEXT, NOTHING, AAD, AAD_LENGTH], answers: AAD_LENGTH }
const crypt: EvpCall = { name: "EVP_Cipher", takes: [CONTEXT, TARGET, SOURCE, LENGTH], answers: LENGTH }
const endSealing: EvpCall = { name: "EVP_EncryptFinal_ex", takes: [CONTEXT, FINAL, FINAL], answers: ONE }
const endOpening: EvpCall = { name: "EVP_DecryptFinal_ex", takes: [CONTEXT, FINAL, FINAL], answers: ONE }

const sequences = {
  seal: [
    { name: "EVP_EncryptInit_ex", takes: [CONTEXT, NOTHING, NOTHING, NOTHING, NONCE], answers: ONE },
    authenticate,
    crypt,
    endSealing,
    { name: "EVP_CIPHER_CTX_get_params", takes: [CONTEXT, TAKE_TAG], answers: ONE }
  ],
  sealCounting: [
    authenticate,
    crypt,
    endSealing,
    { name: "EVP_CIPHER_CTX_get_params", takes: [CONTEXT, TAKE_TAG_AND_STEP], answers: ONE }
  ],
  open: [
    { name: "EVP_DecryptInit_ex2", takes: [CONTEXT, NOTHING, NOTHING, NONCE, GIVE_TAG], answers: ONE },
    authenticate,
    crypt,
    endOpening
  ],
  openCounting: [
    { name: "EVP_CIPHER_CTX_set_params", takes: [CONTEXT, GIVE_TAG_AND_NONCE], answers: ONE },
    authenticate,
    crypt,
    endOpening
  ]
} as const satisfies Record<string, ReadonlyArray<EvpCall>>

/** The same calls, those of a packet joined to one. */
class JoinedCalls implements PacketCalls {
  readonly joined = true
  private readonly runSeal: CallSequence
  private readonly runSealCounting: CallSequence
  private readonly runOpen: CallSequence
  private readonly runOpenCounting: CallSequence

  constructor(
    private readonly memory: PacketMemory,
    private readonly record: CallRecord,
    run: { readonly [Name in keyof typeof sequences]: CallSequence }
  ) {
    record.set(ONE, 1)
    record.set(NONCE, memory.nonce)
    record.set(FINAL, memory.final)
    record.set(TAKE_TAG, memory.takeTag.address)
    record.set(TAKE_TAG_AND_STEP, memory.takeTagAndStep.address)
    record.set(GIVE_TAG, memory.giveTag.address)
    record.set(GIVE_TAG_AND_NONCE, memory.giveTagAndNonce.address)
    this.runSeal = run.seal
    this.runSealCounting = run.sealCounting
    this.runOpen = run.open
    this.runOpenCounting = run.openCounting
  }

  seal(
    counting: boolean,
    context: number,
    aad: number,
    aadLength: number,
    source: number,
    length: number,
    target: number
  ): boolean {
    const { record } = this
    this.write(context, aad, aadLength, source, length, target)
    if (counting) {
      this.memory.takeTagAndStep.pointFirst(target + length)
      this.runSealCounting()
    } else {
      this.memory.takeTag.pointFirst(target + length)
      this.runSeal()
    }
    return record.succeeded
  }

  open(
    counting: boolean,
    context: number,
    aad: number,
    aadLength: number,
    source: number,
    length: number,
    target: number
  ): boolean {
    const { record } = this
    this.write(context, aad, aadLength, source, length, target)
    if (counting) {
      this.memory.giveTagAndNonce.pointFirst(source + length)
      this.runOpenCounting()
    } else {
      this.memory.giveTag.pointFirst(source + length)
      this.runOpen()
    }
    return record.succeeded
  }

  private write(
    context: number,
    aad: number,
    aadLength: number,
    source: number,
    length: number,
    target: number
  ): void {
    const { record } = this
    record.set(CONTEXT, context)
    record.set(AAD, aad)
    record.set(AAD_LENGTH, aadLength)
    record.set(SOURCE, source)
    record.set(LENGTH, length)
    record.set(TARGET, target)
  }
}

/**
 * The calls of a packet, joined where that can be. `step` is the parameter that takes the next nonce, and steps to it.
 *
 * @internal
 */
export const makePacketCalls = (evp: Evp, nonce: number, step: ParamEntry): PacketCalls => {
  const memory = new PacketMemory(evp, nonce, step)
  const record = new CallRecord(evp.slice(CallRecord.BYTES))
  const joined = evp.join(record, sequences)
  return joined === undefined ? new SingleCalls(evp, memory) : new JoinedCalls(memory, record, joined)
}
