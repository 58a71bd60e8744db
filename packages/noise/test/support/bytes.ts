import { FastCheck as fc } from "effect"

export const empty = new Uint8Array(0)

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

export const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"))

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Arbitrary bytes. */
export const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })
