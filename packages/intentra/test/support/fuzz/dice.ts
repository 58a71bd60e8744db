/** Random numbers from a seed: sfc32. */
export class Dice {
  private a: number
  private b = 0x9e3779b9
  private c = 0x243f6a88
  private counter = 1

  constructor(seed: number) {
    this.a = seed | 0
    for (let i = 0; i < 12; i++) this.word()
  }

  word(): number {
    const t = (this.a + this.b + this.counter++) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + t | 0
    return t >>> 0
  }

  below(n: number): number {
    return Math.floor((this.word() / 2 ** 32) * n)
  }

  /** Once in `n`. */
  once(n: number): boolean {
    return this.below(n) === 0
  }

  pick<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)]
  }

  fill(out: Uint8Array, from: number, to: number): void {
    for (let i = from; i < to; i++) out[i] = this.word()
  }
}
