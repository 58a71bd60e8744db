import type { Call, CallSequence, CallTable } from "./callSequence.js"
import type { Koffi } from "./koffi.js"
import type { MemoryMaps } from "./memoryMaps.js"
import { PROT_EXEC, PROT_READ } from "./memoryMaps.js"

const PAGE_BYTES = 4096

// Intel's and AMD's manuals, and the System V calling convention: arguments in RDI, RSI, RDX, RCX, R8, the answer in EAX,
// RBX kept by whoever is called. A function is entered with the stack 8 bytes off a multiple of 16: one push mends that.
const ENTRY_MARK = [0xf3, 0x0f, 0x1e, 0xfa] // endbr64
const PUSH_RBX = [0x53]
const MOV_RBX_RDI = [0x48, 0x89, 0xfb]
const MOV_FROM_RBX = [[0x48, 0x8b, 0x7b], [0x48, 0x8b, 0x73], [0x48, 0x8b, 0x53], [0x48, 0x8b, 0x4b], [
  0x4c,
  0x8b,
  0x43
]]
const MOV_RAX = [0x48, 0xb8]
const CALL_RAX = [0xff, 0xd0]
const CMP_EAX_FROM_RBX = [0x3b, 0x43]
const JNE = [0x0f, 0x85]
const MOV_EAX_1 = [0xb8, 1, 0, 0, 0]
const XOR_EAX_EAX = [0x31, 0xc0]
const POP_RBX = [0x5b]
const RET = [0xc3]

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

/** `int run(record)`: 1 when each call answered as it must, 0 after the first that did not. */
const assemble = <Names extends string>(
  code: Assembler,
  calls: ReadonlyArray<Call<Names>>,
  addressOf: (name: Names) => number
): void => {
  code.emit(ENTRY_MARK, PUSH_RBX, MOV_RBX_RDI)
  const refused = calls.map(({ answers, name, takes }) => {
    takes.forEach((field, i) => code.emit(MOV_FROM_RBX[i], [8 * field]))
    code.emit(MOV_RAX)
    code.word(addressOf(name))
    code.emit(CALL_RAX, CMP_EAX_FROM_RBX, [8 * answers])
    return code.jump(JNE)
  })
  code.emit(MOV_EAX_1, POP_RBX, RET)
  for (const jump of refused) code.land(jump)
  code.emit(XOR_EAX_EAX, POP_RBX, RET)
}

/**
 * The sequences as machine code, one native call each: from JavaScript a call costs 30 ns and 9 for each argument, from
 * here next to nothing. The code only calls: it holds the functions' addresses and nothing else, on a page that was
 * written before it may be executed and can not be written from then on. `undefined` on other machines than x64, and where
 * the system lets no memory become executable.
 *
 * A page is kept until the process ends.
 *
 * @internal
 */
export const joinX64 = <Names extends string, Sequences extends string>(
  koffi: Koffi,
  maps: MemoryMaps,
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
    const type = koffi.proto("int", ["uintptr_t"])
    const names = Object.keys(table) as Array<Sequences>
    const starts = names.map((name) => {
      const start = page + code.length
      assemble(code, table[name], addressOf)
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
