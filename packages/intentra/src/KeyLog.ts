/**
 * Writes the session keys of a transport to a file, for the Wireshark dissector.
 *
 * **A key log is key material**: whoever has it and a capture reads the traffic. It is off by default.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Fs from "node:fs"
import { hex, readU32 } from "./internal/bytes.js"
import * as SecretFile from "./internal/secretFile.js"
import { PacketCrypto } from "./PacketCrypto.js"
import type { PacketCryptoShape, PacketKey } from "./PacketCrypto.js"

/**
 * | reason | when |
 * | --- | --- |
 * | `Unwritable` | the file could not be opened, or others than its owner may read it |
 * | `WriteFailed` | writing failed on the way: no more keys are logged, the transport goes on |
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyLogError extends Data.TaggedError("KeyLogError")<{
  readonly reason: "Unwritable" | "WriteFailed"
  readonly path: string
  readonly cause?: unknown
}> {
  /** What, where, and how to mend it. */
  override get message(): string {
    const why = SecretFile.explain(this.cause)
    return this.reason === "Unwritable"
      ? `cannot write the key log ${this.path}: ${why}; give a new name, or a file that only you may read`
      : `writing the key log ${this.path} failed (${why}): no more keys are logged, the transport goes on`
  }
}

/** Lines that wait for the disk, in order. */
class Log {
  private waiting: Array<string> = []
  private writing = false
  private stopped = false
  private onIdle: (() => void) | undefined = undefined

  constructor(private readonly descriptor: number, private readonly onFailure: (cause: unknown) => void) {}

  append(line: string): void {
    if (this.stopped) return
    this.waiting.push(line)
    if (!this.writing) this.write()
  }

  close(done: () => void): void {
    this.stopped = true
    const finish = (): void => Fs.close(this.descriptor, () => done())
    if (this.writing) this.onIdle = finish
    else finish()
  }

  private write(): void {
    this.writing = true
    const lines = this.waiting.join("")
    this.waiting = []
    Fs.appendFile(this.descriptor, lines, this.onWritten)
  }

  private readonly onWritten = (error: Error | null): void => {
    this.writing = false
    if (error !== null) {
      this.waiting = []
      if (!this.stopped) this.onFailure(error)
      this.stopped = true
    }
    if (this.waiting.length > 0) return this.write()
    this.onIdle?.()
  }
}

/** The header of the first packet that a key seals or opens says whose it is. */
class LoggedKey implements PacketKey {
  private secret: Uint8Array | undefined

  constructor(private readonly inner: PacketKey, secret: Uint8Array, private readonly log: Log) {
    this.secret = secret.slice()
  }

  readonly sealPacket: PacketKey["sealPacket"] = (arena, offset, aadLength, plaintextLength, counter) => {
    const length = this.inner.sealPacket(arena, offset, aadLength, plaintextLength, counter)
    if (this.secret !== undefined && length >= 0) this.write(this.secret, arena, offset)
    return length
  }

  readonly openPacket: PacketKey["openPacket"] = (arena, offset, aadLength, length, counter, out, outOffset) => {
    const opened = this.inner.openPacket(arena, offset, aadLength, length, counter, out, outOffset)
    if (this.secret !== undefined && opened >= 0) this.write(this.secret, arena, offset)
    return opened
  }

  destroy(): void {
    this.forget()
    this.inner.destroy()
  }

  private write(secret: Uint8Array, arena: Uint8Array, offset: number): void {
    const connId = readU32(arena, offset + 4).toString(16).padStart(8, "0")
    this.log.append(`${connId} ${(arena[offset + 1] >> 1) & 3} ${hex(secret)}\n`)
    this.forget()
  }

  private forget(): void {
    this.secret?.fill(0)
    this.secret = undefined
  }
}

const logged = (inner: PacketCryptoShape, log: Log): PacketCryptoShape => ({
  backend: inner.backend,
  makeKey: (key) => new LoggedKey(inner.makeKey(key), key, log)
})

/**
 * The {@link PacketCrypto} of the context, with every key appended to a file (mode 0600, made when it is missing) when
 * it seals or opens its first packet: one line of conn_id (8 hexadecimal digits, as in the header of the packets that
 * the key opens), epoch (0 to 3) and key (64 hexadecimal digits). Fails with `Unwritable`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (path: string): Layer.Layer<PacketCrypto, KeyLogError, PacketCrypto> =>
  Layer.scoped(
    PacketCrypto,
    Effect.gen(function*() {
      const inner = yield* PacketCrypto
      const runtime = yield* Effect.runtime<never>()
      const failed = (reason: KeyLogError["reason"]) => (cause: unknown) => new KeyLogError({ reason, path, cause })
      const log = yield* Effect.acquireRelease(
        Effect.try({
          try: () =>
            new Log(SecretFile.append(path), (cause) => {
              Runtime.runFork(runtime)(Effect.logError(failed("WriteFailed")(cause).message))
            }),
          catch: failed("Unwritable")
        }),
        (log) => Effect.async<void>((resume) => log.close(() => resume(Effect.void)))
      )
      yield* Effect.logWarning(`logging session keys to ${path}: whoever reads it reads the traffic`)
      return logged(inner, log)
    })
  )
