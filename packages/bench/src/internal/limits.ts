import { isNative } from "./backends.js"

/** No limit but those that are measured. */
export const LIFTED = {
  packetsPerSecond: Infinity,
  forgeriesPerSecond: Infinity,
  maxSessions: 1_000_000
} as const

/** Of a hub: whoever comes from one address may all come at once. */
export const HUB = {
  allow: "any",
  sameIdentity: "allow",
  gate: { inFlight: 4096, perSource: 4096, sourceRate: Infinity, sourceBurst: 4096 }
} as const

/**
 * What all processes of a scenario are started with. Through node:crypto a packet is a dozen objects: in a small young
 * generation they stay in the caches, and helpers of the collector would take the cores of the other processes.
 */
export const nodeFlags = (): ReadonlyArray<string> =>
  isNative() ? [] : ["--max-semi-space-size=1", "--single-threaded-gc"]

/** The flags in words, for those who read the figures. */
export const flagsText = (): { readonly [name: string]: string | number } =>
  isNative() ? {} : { node: `started with ${nodeFlags().join(" ")}, all processes` }

/** All that is lifted, in words. */
export const liftedText = (): { readonly [name: string]: string | number } => ({
  packetsPerSecond: "no limit (default 10,000 a session)",
  gate: "no limit per source (default 100 handshakes in flight, 5 a source)",
  ...flagsText()
})
