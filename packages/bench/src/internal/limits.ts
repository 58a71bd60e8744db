/** No limit but those that are measured. */
export const LIFTED = {
  packetsPerSecond: Infinity,
  forgeriesPerSecond: Infinity,
  maxSessions: 1_000_000,
  gate: { inFlight: 65_536, perSource: 65_536, sourceRate: Infinity, sourceBurst: 65_536 }
} as const

/** The same in words, for those who read the figures. */
export const LIFTED_TEXT: { readonly [name: string]: string | number } = {
  packetsPerSecond: "no limit (default 10,000 a session)",
  gate: "no limit per source (default 100 handshakes in flight, 5 a source)"
}
