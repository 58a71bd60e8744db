const TWO_32 = 4294967296

/** Writes an address, or a length, as the two words of a 64-bit one; what is whole in a number is whole there. @internal */
export const writeAddress = (words: Uint32Array, at: number, address: number): void => {
  words[at] = address
  words[at + 1] = address / TWO_32
}
