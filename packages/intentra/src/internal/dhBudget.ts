import type { Limits } from "./core.js"

/**
 * Diffie-Hellmans that handshakes may take of a turn, about 4 ms of them, and of a second. One takes 40 us with OpenSSL
 * called directly, 80 to 120 us with node:crypto and most of a millisecond with noble.
 */
export const dhBudget = (backend: string | undefined): Pick<Limits, "dhPerTurn" | "dhPerSecond"> => {
  switch (backend) {
    case "openssl":
      return { dhPerTurn: 96, dhPerSecond: 16_000 }
    case "noble":
      // no step takes more than five
      return { dhPerTurn: 5, dhPerSecond: 800 }
    default:
      return { dhPerTurn: 32, dhPerSecond: 6_000 }
  }
}
