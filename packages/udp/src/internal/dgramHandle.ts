import type * as Dgram from "node:dgram"

type OnMessage = (result: number, ...rest: ReadonlyArray<unknown>) => void

/** Node's object for a send under way. What its list holds stays where it is as long as libuv has it. */
export interface Request {
  list?: Array<Uint8Array>
}

/** What `node:dgram` calls libuv through. */
export interface Handle {
  onmessage: OnMessage
  /** The bytes that were sent, plus one; 0 when libuv keeps them for later; an errno below zero. */
  send: (
    request: Request,
    list: ReadonlyArray<Uint8Array>,
    count: number,
    port: number,
    host: string,
    hasCallback: boolean
  ) => number
}

const isHandle = (value: unknown): value is Handle =>
  typeof value === "object" && value !== null && "onmessage" in value && typeof value.onmessage === "function" &&
  "send" in value && typeof value.send === "function"

/**
 * The handle that a socket of `node:dgram` keeps to itself. `undefined` where it is not found: it is no part of what Node
 * promises, and whoever asks for it has another way.
 *
 * @internal
 */
export const handleOf = (socket: Dgram.Socket): Handle | undefined => {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, symbol)
    if (typeof state === "object" && state !== null && "handle" in state && isHandle(state.handle)) return state.handle
  }
  return undefined
}
