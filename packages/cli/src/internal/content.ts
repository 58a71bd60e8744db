/** Payloads as text. */
import type { Delivery } from "intentra/Delivery"
import { printable } from "./terminal.js"

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Text where it is text, base64 where it is not. */
export const contentOf = (payload: Uint8Array): { readonly text: string } | { readonly base64: string } => {
  try {
    return { text: utf8.decode(payload) }
  } catch {
    return { base64: Buffer.from(payload).toString("base64") }
  }
}

/** In one line, harmless to a terminal. */
export const printableContent = (payload: Uint8Array): string => {
  const content = contentOf(payload)
  return "text" in content ? printable(content.text) : content.base64
}

export const lineOf = ({ payload, peer }: Delivery): string => `${peer.id} ${printableContent(payload)}\n`
