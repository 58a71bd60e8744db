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
const MOV_ECX_AT_RAX = [0x8b, 0x08]
const MOV_RDX_AT_RAX = [0x48, 0x8b, 0x50]
const PREFETCH_AT_RDX = [0x0f, 0x18, 0x8a]
const ADD_RAX = [0x48, 0x83, 0xc0]
const DEC_ECX = [0xff, 0xc9]
const CALL_RAX = [0xff, 0xd0]
const CMP_EAX_FROM_RBX = [0x3b, 0x43]
const JNE = [0x0f, 0x85]
const LINE_BYTES = 64
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

  /** Lets a jump go to what comes next, or to what came before. */
  land(jump: number, to = this.length): void {
    this.view.setInt32(jump - 4, to - jump, true)
  }

  /** Four bytes of a number. */
  half(value: number): void {
    this.view.setUint32(this.length, value, true)
    this.length += 4
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

/** Functions that take and return nothing, on a page that was written before it may be executed, and never after. */
const onPage = (
  koffi: Koffi,
  maps: MemoryMaps,
  functions: ReadonlyArray<(code: Assembler) => void>
): ReadonlyArray<CallSequence> | undefined => {
  if (process.arch !== "x64") return undefined
  const page = maps.map(PAGE_BYTES, 0)
  if (page === undefined) return undefined
  try {
    const code = new Assembler(new Uint8Array(koffi.view(page, PAGE_BYTES)))
    const starts = functions.map((write) => {
      const start = page + code.length
      write(code)
      return start
    })
    if (!maps.protect(page, PAGE_BYTES, PROT_READ | PROT_EXEC)) throw new RangeError("no memory may be executed")
    const type = koffi.proto("void", [])
    return starts.map((start) => koffi.decode(start, type) as CallSequence)
  } catch {
    maps.unmap(page, PAGE_BYTES)
    return undefined
  }
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
  const symbol = koffi.load(null).func("dlsym", "uintptr_t", ["uintptr_t", "str"])
  const addressOf = (name: Names): number => {
    const address = Number(symbol(0, name))
    if (address === 0) throw new RangeError(`${name} has no address`)
    return address
  }
  const names = Object.keys(table) as Array<Sequences>
  const run = onPage(koffi, maps, names.map((name) => (code) => assemble(code, record, table[name], addressOf)))
  if (run === undefined) return undefined
  return Object.fromEntries(names.map((name, i) => [name, run[i]])) as { readonly [Name in Sequences]: CallSequence }
}

/**
 * A function that asks the processor for cache lines (PREFETCHT0), which can be any: where there is no memory, it does
 * nothing. At `list` lies the number of its entries, 1 or more, as 64 bits; each entry is two addresses, and of each of
 * them so many `lines` are asked for. `undefined` and kept as `joinX64` says.
 *
 * @internal
 */
export const prefetchX64 = (
  koffi: Koffi,
  maps: MemoryMaps,
  list: number,
  lines: readonly [number, number]
): CallSequence | undefined =>
  onPage(koffi, maps, [(code) => {
    code.emit(ENTRY_MARK, MOV_RAX)
    code.word(list)
    code.emit(MOV_ECX_AT_RAX)
    const entry = code.length
    lines.forEach((count, i) => {
      code.emit(MOV_RDX_AT_RAX, [8 + 8 * i])
      for (let line = 0; line < count; line++) {
        code.emit(PREFETCH_AT_RDX)
        code.half(line * LINE_BYTES)
      }
    })
    code.emit(ADD_RAX, [16], DEC_ECX)
    code.land(code.jump(JNE), entry)
    code.emit(RET)
  }])?.[0]
