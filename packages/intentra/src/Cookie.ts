/**
 * Stateless proof that a sender receives at the address it sends from. A responder answers a hello with a cookie and
 * believes the address only when the cookie comes back; between the two it remembers nothing.
 *
 * @since 0.1.0
 */
import { constantTimeEqual } from "@intentra/crypto"

/**
 * Length of a cookie in bytes.
 *
 * @since 0.1.0
 * @category constants
 */
export const COOKIE_BYTES = 16

/**
 * Length of one time window in milliseconds. A cookie is valid in the window it was minted in and in the next one: for
 * 5 to 10 seconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const WINDOW_MS = 5_000

/**
 * How long one secret mints cookies, in milliseconds: 24 windows.
 *
 * @since 0.1.0
 * @category constants
 */
export const SECRET_MS = 120_000

/**
 * What a jar is made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Fills the array with unpredictable bytes: `fill` of the `Entropy` service. The only source of secrets. `period` is
   * the number of the 120 seconds that the secret is for, so that several jars of one responder can share secrets.
   */
  readonly fill: (out: Uint8Array, period: number) => void
  /** A keyed MAC of at least 16 bytes, such as HMAC-SHA256. It must not keep `key` or `data` after it returned. */
  readonly mac: (key: Uint8Array, data: Uint8Array) => Uint8Array
}

/**
 * Mints and verifies cookies. A cookie is the first 16 bytes of
 * `mac(secret, label || window u48 || address || fields)`, where the address is the 24 raw bytes of
 * `@intentra/udp` (family, port, IP, scope) and `fields` are the fixed fields of the hello that asked for it: a cookie is
 * worth nothing from another address, for another hello, in a later window or at another responder.
 *
 * The secret is a function of the window's number, so verifying costs one or two MACs and a cookie that was minted just
 * before a rotation still verifies after it. A secret that no acceptable window uses any more is overwritten by the next
 * call. Memory does not depend on the number of senders.
 *
 * `now` is a monotonic time in milliseconds, 0 or more; a `now` before the latest one seen is taken as the latest.
 *
 * @since 0.1.0
 * @category models
 */
export interface CookieJar {
  /**
   * Writes the 16-byte cookie of this address and these fields to `out` at `outOffset`. There must be room for 16 bytes
   * at `outOffset`, and 24 address bytes at `addressOffset`.
   */
  readonly mint: (
    now: number,
    address: Uint8Array,
    addressOffset: number,
    fields: Uint8Array,
    out: Uint8Array,
    outOffset: number
  ) => void
  /**
   * Whether the 16 bytes of `cookie` at `cookieOffset` were minted by this jar for the same address and fields in this
   * time window or the one before. Compares in constant time; false when fewer bytes are there. Never throws.
   */
  readonly verify: (
    now: number,
    address: Uint8Array,
    addressOffset: number,
    fields: Uint8Array,
    cookie: Uint8Array,
    cookieOffset: number
  ) => boolean
  /** Overwrites the secrets: no cookie minted before verifies any more. The next call draws a new secret. */
  readonly clear: () => void
}

const ADDRESS_BYTES = 24
const SECRET_BYTES = 32
const WINDOWS_PER_SECRET = SECRET_MS / WINDOW_MS
const LABEL = new TextEncoder().encode("intentra 2 cookie")
const ADDRESS_AT = LABEL.length + 6
const FIELDS_AT = ADDRESS_AT + ADDRESS_BYTES
const NO_EPOCH = -1

class Jar implements CookieJar {
  private readonly fill: Options["fill"]
  private readonly mac: Options["mac"]
  private window = 0
  // The secret of epoch e is secrets[e & 1]; the other one is the predecessor's, or zeros.
  private readonly secrets = [new Uint8Array(SECRET_BYTES), new Uint8Array(SECRET_BYTES)]
  private readonly epochs = [NO_EPOCH, NO_EPOCH]
  private data = new Uint8Array(0)
  private readonly expected = new Uint8Array(COOKIE_BYTES)
  private readonly given = new Uint8Array(COOKIE_BYTES)

  constructor(options: Options) {
    this.fill = options.fill
    this.mac = options.mac
  }

  mint(
    now: number,
    address: Uint8Array,
    addressOffset: number,
    fields: Uint8Array,
    out: Uint8Array,
    outOffset: number
  ): void {
    this.advance(now)
    this.write(address, addressOffset, fields)
    const tag = this.tag(this.window)
    for (let i = 0; i < COOKIE_BYTES; i++) out[outOffset + i] = tag[i]
  }

  verify(
    now: number,
    address: Uint8Array,
    addressOffset: number,
    fields: Uint8Array,
    cookie: Uint8Array,
    cookieOffset: number
  ): boolean {
    this.advance(now)
    if (cookieOffset + COOKIE_BYTES > cookie.length || addressOffset + ADDRESS_BYTES > address.length) return false
    for (let i = 0; i < COOKIE_BYTES; i++) this.given[i] = cookie[cookieOffset + i]
    this.write(address, addressOffset, fields)
    return this.matches(this.window) || this.matches(this.window - 1)
  }

  clear(): void {
    this.drop(0)
    this.drop(1)
    this.data.fill(0)
    this.data = new Uint8Array(0)
    this.expected.fill(0)
  }

  private matches(window: number): boolean {
    if (window < 0) return false
    const epoch = Math.floor(window / WINDOWS_PER_SECRET)
    if (this.epochs[epoch & 1] !== epoch) return false
    const tag = this.tag(window)
    for (let i = 0; i < COOKIE_BYTES; i++) this.expected[i] = tag[i]
    return constantTimeEqual(this.expected, this.given)
  }

  private advance(now: number): void {
    const window = Math.floor(now / WINDOW_MS)
    if (window > this.window) this.window = window
    const epoch = Math.floor(this.window / WINDOWS_PER_SECRET)
    const index = epoch & 1
    if (this.epochs[index] !== epoch) {
      this.fill(this.secrets[index], epoch)
      this.epochs[index] = epoch
    }
    // The predecessor serves the first window after a rotation only.
    const other = index ^ 1
    if (this.epochs[other] === NO_EPOCH) return
    if (this.epochs[other] !== epoch - 1 || this.window % WINDOWS_PER_SECRET !== 0) this.drop(other)
  }

  private drop(index: number): void {
    this.secrets[index].fill(0)
    this.epochs[index] = NO_EPOCH
  }

  private write(address: Uint8Array, addressOffset: number, fields: Uint8Array): void {
    // The hello's fixed fields have one length, so this allocates once.
    if (this.data.length !== FIELDS_AT + fields.length) {
      this.data = new Uint8Array(FIELDS_AT + fields.length)
      this.data.set(LABEL)
    }
    const data = this.data
    for (let i = 0; i < ADDRESS_BYTES; i++) data[ADDRESS_AT + i] = address[addressOffset + i]
    data.set(fields, FIELDS_AT)
  }

  private tag(window: number): Uint8Array {
    const data = this.data
    const high = Math.floor(window / 0x1_0000_0000)
    const at = LABEL.length
    data[at] = high >>> 8
    data[at + 1] = high
    data[at + 2] = window >>> 24
    data[at + 3] = window >>> 16
    data[at + 4] = window >>> 8
    data[at + 5] = window
    return this.mac(this.secrets[Math.floor(window / WINDOWS_PER_SECRET) & 1], data)
  }
}

/**
 * Makes a jar. Its first secret is drawn by the first `mint` or `verify`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): CookieJar => new Jar(options)
