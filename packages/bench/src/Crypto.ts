/**
 * `crypto`: what sealing and opening a packet costs, by library and algorithm.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { start } from "./internal/child.js"
import { flagsText } from "./internal/limits.js"
import { atMost } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"
import { ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface CryptoOptions {
  /** Seconds for each library and algorithm. */
  readonly duration: number
}

/**
 * Nanoseconds of CPU time a packet.
 *
 * @since 0.1.0
 * @category models
 */
export interface CryptoRun {
  readonly backend: string
  readonly algorithm: "AES-256-GCM" | "ChaCha20-Poly1305"
  readonly bytes: number
  readonly nsSeal: number
  readonly nsOpen: number
  /** Where the library seals many packets with one call, as the packet path does; else one by one. */
  readonly batchNsSeal: number
  readonly batchNsOpen: number
  /** `nsSeal` of this, as a share of `nsSeal` of node:crypto. */
  readonly ratioToNode: number
}

const PAYLOAD_BYTES = 128
const ALGORITHMS = ["AES-256-GCM", "ChaCha20-Poly1305"] as const
const MOST_NS = 450

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration }: CryptoOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.scoped(Effect.gen(function*() {
    const child = yield* start("cipher")
    const names = yield* child.ask("backends", undefined)
    const costs = yield* Effect.forEach(
      names.flatMap((name) => ALGORITHMS.map((algorithm) => ({ backend: name, algorithm }))),
      (it) =>
        Effect.map(
          child.ask("aead", { ...it, bytes: PAYLOAD_BYTES, seconds: duration }, duration),
          (cost) => ({ ...it, ...cost })
        )
    )
    const runs = costs.map((it): CryptoRun => {
      const node = costs.find((other) => other.backend === "node" && other.algorithm === it.algorithm)
      return {
        backend: it.backend,
        algorithm: it.algorithm,
        bytes: PAYLOAD_BYTES,
        nsSeal: Math.round(it.nsSeal),
        nsOpen: Math.round(it.nsOpen),
        batchNsSeal: Math.round(it.batchNsSeal),
        batchNsOpen: Math.round(it.batchNsOpen),
        ratioToNode: round(ratio(it.batchNsSeal, node?.batchNsSeal ?? 0), 3)
      }
    })
    const fastest = runs.find((it) => it.backend === "openssl" && it.algorithm === "AES-256-GCM")
    return {
      fields: { runs },
      tables: [{
        title: `CPU time of a packet of ${PAYLOAD_BYTES} bytes with 16 bytes of associated data, in ns`,
        rows: runs.map((it) => ({
          library: it.backend,
          algorithm: it.algorithm,
          seal: it.nsSeal,
          open: it.nsOpen,
          "batch seal": it.batchNsSeal,
          "batch open": it.batchNsOpen,
          "of node:crypto": it.ratioToNode
        }))
      }],
      lifted: flagsText(),
      goals: [
        atMost(`OpenSSL seals in at most ${MOST_NS} ns in batches`, fastest?.batchNsSeal, MOST_NS),
        atMost(`OpenSSL opens in at most ${MOST_NS} ns in batches`, fastest?.batchNsOpen, MOST_NS)
      ]
    }
  }))
