/** Avalanche of 32 bits (the finalizer of MurmurHash3). */
const mix = (value: number): number => {
  let x = value
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

const rotl = (x: number, by: number): number => (x << by) | (x >>> (32 - by))

/**
 * xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018), its state filled from an
 * FNV-1a hash of the seed's text. Weather for simulations: never for keys.
 *
 * @internal
 */
export class Prng {
  private readonly state = new Int32Array(4)

  constructor(seed: string) {
    let hash = 0x811c9dc5
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193)
    for (let i = 0; i < 4; i++) this.state[i] = mix(hash + Math.imul(i + 1, 0x9e3779b9))
    // The state must not be all zeros.
    if ((this.state[0] | this.state[1] | this.state[2] | this.state[3]) === 0) this.state[0] = 1
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    const s = this.state
    const result = Math.imul(rotl(Math.imul(s[1], 5), 7), 9) >>> 0
    const t = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotl(s[3], 11)
    return result
  }

  /** Uniform, from 0 to below 1. */
  uniform(): number {
    return this.next() / 0x100000000
  }

  /** Uniform integer, from 0 to below `bound`. */
  below(bound: number): number {
    return Math.floor(this.uniform() * bound)
  }

  /** Whether an event of that probability happens; draws nothing when it is impossible. */
  happens(probability: number): boolean {
    return probability > 0 && this.uniform() < probability
  }

  /** Normal, mean 0 and deviation 1 (Box-Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }
}
