import type { PinnedSlice } from "../PinnedMemory.js"
import { writeAddress } from "./address.js"

/** As many fields as a displacement of one byte reaches. */
const FIELDS = 16
const WORD_BYTES = 8

/** The field that a sequence leaves 1 in when all of its calls answered as they must, else 0. @internal */
export const OUTCOME = FIELDS - 1

/**
 * What the calls of a sequence take, in pinned memory: 64-bit words. A field is the number of a word; the last one is the
 * outcome.
 *
 * @internal
 */
export class CallRecord {
  static readonly BYTES = FIELDS * WORD_BYTES
  readonly address: number
  private readonly words: Uint32Array

  constructor({ address, bytes }: PinnedSlice) {
    this.address = address
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  }

  /** `value` is an address or a length. */
  set(field: number, value: number): void {
    writeAddress(this.words, 2 * field, value)
  }

  /** What the last sequence came to. */
  get succeeded(): boolean {
    return this.words[2 * OUTCOME] === 1
  }
}

/** One call: the function's name, the fields of its arguments, and the field of the `int` it must answer. @internal */
export interface Call<Names extends string> {
  readonly name: Names
  readonly takes: ReadonlyArray<number>
  readonly answers: number
}

/** Sequences by name. @internal */
export type CallTable<Names extends string, Sequences extends string> = {
  readonly [Name in Sequences]: ReadonlyArray<Call<Names>>
}

/**
 * Makes its calls in order with what its record holds, until one answers otherwise than it must. The record has the
 * outcome: a native call that takes and returns nothing costs a third less.
 *
 * @internal
 */
export type CallSequence = () => void
