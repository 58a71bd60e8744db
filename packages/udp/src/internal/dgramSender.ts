import type * as Dgram from "node:dgram"
import { handleOf } from "./dgramHandle.js"
import type { Handle, Request } from "./dgramHandle.js"

/** Makes requests for a handle of this class: `node:dgram` alone can name theirs. */
const makers = new Map<unknown, () => Request>()

/** What `node:dgram` gives a handle for one datagram. A handle that is given anything else ends the process. */
const isExpected = ([list, count, port, host, hasCallback, ...more]: ReadonlyArray<unknown>): boolean =>
  Array.isArray(list) && count === 1 && typeof port === "number" && typeof host === "string" &&
  typeof hasCallback === "boolean" && more.length === 0

/** Calls `send`, which sends by `node:dgram`, and keeps in mind what its request is made of. */
const learn = (handle: Handle, send: () => void): void => {
  const before = handle.send
  handle.send = function(request, ...rest) {
    const { constructor } = request
    if (isExpected(rest)) makers.set(handle.constructor, () => Reflect.construct(constructor, []) as Request)
    return before.call(this, request, ...rest)
  }
  try {
    send()
  } finally {
    handle.send = before
  }
}

/**
 * Sends by `node:dgram`, or past it where its handle is found. dgram makes a request of each datagram, a list, a closure
 * and another view; libuv looks at the request only when the system takes nothing more, so that one does for all others.
 *
 * @internal
 */
export class DgramSender {
  private readonly handle: Handle | undefined
  private request: Request | undefined

  constructor(private readonly socket: Dgram.Socket, private readonly onSent: (error: Error | null) => void) {
    this.handle = handleOf(socket)
  }

  /** Whether the system took the bytes or libuv keeps them for later, where they must not change until it is done. */
  send(bytes: Uint8Array, offset: number, length: number, port: number, host: string, isLast: boolean): boolean {
    const { handle } = this
    if (handle !== undefined) {
      this.request ??= makers.get(handle.constructor)?.()
      if (this.request !== undefined) {
        const view = new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length)
        return this.pass(handle, this.request, view, port, host)
      }
    }
    // dgram tells of an error only through a callback, and a callback costs a tick: one per batch is a sample
    const send = () => this.socket.send(bytes, offset, length, port, host, isLast ? this.onSent : undefined)
    try {
      if (handle === undefined) send()
      else learn(handle, send)
      return true
    } catch {
      return false
    }
  }

  private pass(handle: Handle, request: Request, bytes: Uint8Array, port: number, host: string): boolean {
    const list = request.list ??= []
    list[0] = bytes
    const result = handle.send(request, list, 1, port, host, false)
    // without all being sent, the request and its list are libuv's now, or nobody knows whose
    if (result <= 0) this.request = undefined
    return result >= 0
  }
}
