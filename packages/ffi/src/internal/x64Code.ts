import type { Call, CallRecord, CallSequence, CallTable } from "./callSequence.js"
import { OUTCOME } from "./callSequence.js"
import type { Koffi } from "./koffi.js"
import type { MemoryMaps } from "./memoryMaps.js"
import { PROT_EXEC, PROT_READ } from "./memoryMaps.js"

const PAGE_BYTES = 4096

// Intel's and AMD's manuals, and the System V calling convention: arguments in RDI, RSI, RDX, RCX, R8, the answer in EAX,
// RBX kept by whoever is called. A function is entered with the stack 8 bytes off a multiple of 16: one push mends that.
// RBX has the record's address.
const ENTRY_MARK = [0xf3, 0x0f, 0x1e, 0xfa] // endbr64
const PUSH_RBX = [0x53]
const MOV_RBX = [0x48, 0xbb]
const MOV_RDI_FROM_RBX = [0x48, 0x8b, 0x7b]
const MOV_RSI_FROM_RBX = [0x48, 0x8b, 0x73]
const MOV_RDX_FROM_RBX = [0x48, 0x8b, 0x53]
const MOV_RCX_FROM_RBX = [0x48, 0x8b, 0x4b]
const MOV_R8_FROM_RBX = [0x4c, 0x8b, 0x43]
const MOV_RAX = [0x48, 0xb8]
const CALL_RAX = [0xff, 0xd0]
const CMP_EAX_FROM_RBX = [0x3b, 0x43]
const JNE = [0x0f, 0x85]
const STORE_AT_RBX = [0xc7, 0x43]
const POP_RBX = [0x5b]
const RET = [0xc3]

/** By the argument's place. */
const MOV_ARGUMENT = [MOV_RDI_FROM_RBX, MOV_RSI_FROM_RBX, MOV_RDX_FROM_RBX, MOV_RCX_FROM_RBX, MOV_R8_FROM_RBX]

/** Machine code as it grows. */
class Assembler {
  private readonly view: DataView
  length = 0

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  emit(...parts: ReadonlyArray<ReadonlyArray<number>>): void {
    for (const part of parts) {
      this.bytes.set(part, this.length)
      this.length += part.length
    }
  }

  /** Eight bytes of a number. */
  word(value: number): void {
    this.view.setBigUint64(this.length, BigInt(value), true)
    this.length += 8
  }

  /** Four bytes for the distance of a jump that `land` fills in. */
  jump(...instruction: ReadonlyArray<ReadonlyArray<number>>): number {
    this.emit(...instruction, [0, 0, 0, 0])
    return this.length
  }

  /** Lets a jump go to what comes next. */
  land(jump: number): void {
    this.view.setInt32(jump - 4, this.length - jump, true)
  }
}

/** A function that takes and returns nothing. */
const assemble = <Names extends string>(
  code: Assembler,
  record: CallRecord,
  calls: ReadonlyArray<Call<Names>>,
  addressOf: (name: Names) => number
): void => {
  code.emit(ENTRY_MARK, PUSH_RBX, MOV_RBX)
  code.word(record.address)
  const refused = calls.map(({ answers, name, takes }) => {
    takes.forEach((field, i) => code.emit(MOV_ARGUMENT[i], [8 * field]))
    code.emit(MOV_RAX)
    code.word(addressOf(name))
    code.emit(CALL_RAX, CMP_EAX_FROM_RBX, [8 * answers])
    return code.jump(JNE)
  })
  code.emit(STORE_AT_RBX, [8 * OUTCOME, 1, 0, 0, 0], POP_RBX, RET)
  for (const jump of refused) code.land(jump)
  code.emit(STORE_AT_RBX, [8 * OUTCOME, 0, 0, 0, 0], POP_RBX, RET)
}

/**
 * The sequences as machine code, one native call each: from JavaScript a call costs 20 to 30 ns and 9 for each argument,
 * from here next to nothing. The code only calls: it holds the addresses of the functions and of their record, on a page
 * that was written before it may be executed and cannot be written from then on. `undefined` on other machines than x64,
 * and where the system lets no memory become executable.
 *
 * The record must outlive the sequences. A page is kept until the process ends.
 *
 * @internal
 */
export const joinX64 = <Names extends string, Sequences extends string>(
  koffi: Koffi,
  maps: MemoryMaps,
  record: CallRecord,
  table: CallTable<Names, Sequences>
): { readonly [Name in Sequences]: CallSequence } | undefined => {
  if (process.arch !== "x64") return undefined
  const page = maps.map(PAGE_BYTES, 0)
  if (page === undefined) return undefined
  try {
    const symbol = koffi.load(null).func("dlsym", "uintptr_t", ["uintptr_t", "str"])
    const addressOf = (name: Names): number => {
      const address = Number(symbol(0, name))
      if (address === 0) throw new RangeError(`${name} has no address`)
      return address
    }
    const code = new Assembler(new Uint8Array(koffi.view(page, PAGE_BYTES)))
    const type = koffi.proto("void", [])
    const names = Object.keys(table) as Array<Sequences>
    const starts = names.map((name) => {
      const start = page + code.length
      assemble(code, record, table[name], addressOf)
      return start
    })
    if (!maps.protect(page, PAGE_BYTES, PROT_READ | PROT_EXEC)) throw new RangeError("no memory may be executed")
    const run = names.map((name, i) => [name, koffi.decode(starts[i], type) as CallSequence] as const)
    return Object.fromEntries(run) as { readonly [Name in Sequences]: CallSequence }
  } catch {
    maps.unmap(page, PAGE_BYTES)
    return undefined
  }
}
