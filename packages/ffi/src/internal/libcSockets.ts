import * as os from "node:os"
import { getSystemErrorName } from "node:util"
import { FfiError } from "../FfiError.js"
import type { LinuxSockets } from "../LinuxSocket.js"
import * as PinnedMemory from "../PinnedMemory.js"
import { bindAll, type Koffi, type NativeFunction } from "./koffi.js"
import { POLLFD, POLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK } from "./socketLayout.js"

const { EINTR } = os.constants.errno

const SIGNATURES = {
  socket: ["int", ["int", "int", "int"]],
  bind: ["int", ["int", "uintptr_t", "uint32_t"]],
  getsockname: ["int", ["int", "uintptr_t", "uintptr_t"]],
  setsockopt: ["int", ["int", "int", "int", "uintptr_t", "uint32_t"]],
  getsockopt: ["int", ["int", "int", "int", "uintptr_t", "uintptr_t"]],
  recvmmsg: ["int", ["int", "uintptr_t", "uint32_t", "int", "uintptr_t"]],
  sendmmsg: ["int", ["int", "uintptr_t", "uint32_t", "int"]],
  poll: ["int", ["uintptr_t", "unsigned long", "int"]],
  dup3: ["int", ["int", "int", "int"]],
  close: ["int", ["int"]]
} as const

type Functions = { readonly [Name in keyof typeof SIGNATURES]: NativeFunction }

/** Where a number that is passed by address lies in the scratch, and where its length does. */
const VALUE_AT = 0
const LENGTH_AT = 8
const POLL_AT = 16
const SCRATCH_BYTES = 64

/**
 * The calls themselves.
 *
 * @internal
 */
export class LibcSockets implements LinuxSockets {
  readonly recvmmsg: LinuxSockets["recvmmsg"]
  readonly sendmmsg: LinuxSockets["sendmmsg"]
  private readonly memory = PinnedMemory.make(SCRATCH_BYTES)
  private readonly scratch = this.memory.slice(SCRATCH_BYTES)

  constructor(private readonly functions: Functions, private readonly errno: () => number) {
    const { recvmmsg, sendmmsg } = functions
    this.recvmmsg = (fd, headers, count, flags) => {
      const received = recvmmsg(fd, headers, count, flags, 0)
      return received < 0 ? -errno() : received
    }
    this.sendmmsg = (fd, headers, count, flags) => {
      const sent = sendmmsg(fd, headers, count, flags)
      return sent < 0 ? -errno() : sent
    }
  }

  socket(family: number, kind: number): number {
    return this.check(this.functions.socket(family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")
  }

  bind(fd: number, name: number, nameLength: number): void {
    this.check(this.functions.bind(fd, name, nameLength), "bind")
  }

  getsockname(fd: number, name: number, maxLength: number): number {
    this.scratch.view.setUint32(LENGTH_AT, maxLength, true)
    this.check(this.functions.getsockname(fd, name, this.scratch.address + LENGTH_AT), "getsockname")
    return this.scratch.view.getUint32(LENGTH_AT, true)
  }

  setsockopt(fd: number, level: number, option: number, value: number): void {
    this.scratch.view.setInt32(VALUE_AT, value, true)
    this.check(this.functions.setsockopt(fd, level, option, this.scratch.address + VALUE_AT, 4), "setsockopt")
  }

  getsockopt(fd: number, level: number, option: number): number {
    this.scratch.view.setInt32(VALUE_AT, 0, true)
    this.scratch.view.setUint32(LENGTH_AT, 4, true)
    const { address } = this.scratch
    this.check(this.functions.getsockopt(fd, level, option, address + VALUE_AT, address + LENGTH_AT), "getsockopt")
    return this.scratch.view.getInt32(VALUE_AT, true)
  }

  waitReadable(fd: number, millis: number): boolean {
    const { address, view } = this.scratch
    view.setInt32(POLL_AT + POLLFD.fd, fd, true)
    view.setInt16(POLL_AT + POLLFD.events, POLLIN, true)
    view.setInt16(POLL_AT + POLLFD.returned, 0, true)
    const ready = this.functions.poll(address + POLL_AT, 1, millis)
    return ready < 0 && this.errno() !== EINTR ? this.check(ready, "poll") > 0 : ready > 0
  }

  dup3(from: number, onto: number): void {
    this.check(this.functions.dup3(from, onto, SOCK_CLOEXEC), "dup3")
  }

  close(fd: number): void {
    this.check(this.functions.close(fd), "close")
  }

  private check(result: number, call: string): number {
    if (result >= 0) return result
    const code = getSystemErrorName(-this.errno())
    throw new FfiError({ reason: "SystemCall", detail: `${call} failed: ${code}`, code })
  }
}

/**
 * The calls, or why there are none.
 *
 * @internal
 */
export const bindSockets = (koffi: Koffi): LibcSockets | FfiError => {
  const functions = bindAll(koffi, SIGNATURES)
  return functions instanceof FfiError ? functions : new LibcSockets(functions, () => koffi.errno())
}
