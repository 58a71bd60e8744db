/**
 * Who may begin a handshake: the stateless cookie proves the source address, then a bounded table admits at most so
 * many at once, fairly between sources. The mechanisms are {@link Cookie} and {@link AdmissionTable}.
 *
 * @since 0.1.0
 */
import { Entropy, Mac } from "@intentra/crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AdmissionTable from "./AdmissionTable.js"
import * as Cookie from "./Cookie.js"
import type { IntentraError } from "./IntentraError.js"
import { checkedNumber } from "./internal/checkedNumber.js"

/**
 * One transport's gate.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gate {
  readonly cookies: Cookie.CookieJar
  readonly admission: AdmissionTable.AdmissionTable
}

/**
 * Makes the gate of a transport.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakeGateShape {
  readonly make: () => Gate
}

/**
 * How many handshakes may be in flight.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakeGateOptions {
  /** Handshakes past the cookie and not finished, in all. Default 100. */
  readonly inFlight?: number | undefined
  /** The same per source (IPv4 /32, IPv6 /64), binding while half of all are taken. Default 5. */
  readonly perSource?: number | undefined
  /** Handshakes a second and source, binding likewise. Default 20. */
  readonly sourceRate?: number | undefined
  /** Default 5. */
  readonly sourceBurst?: number | undefined
}

/**
 * What the gates of one responder's threads have in common.
 *
 * @internal
 */
export interface SharedGate {
  /** Fills in the secret of a period, the same in every thread. */
  readonly fill: Cookie.Options["fill"]
  /** See `AdmissionTable.Options`. */
  readonly admissions: Int32Array
  readonly seed: number
}

const makeGates = (options: HandshakeGateOptions, shared?: SharedGate) =>
  Effect.gen(function*() {
    const entropy = yield* Entropy
    const mac = yield* Mac
    const limit = yield* checkedNumber("gate.inFlight", options.inFlight, 100, 1, 65_536)
    const perSource = yield* checkedNumber("gate.perSource", options.perSource, 5, 1, 65_536)
    const sourceRate = yield* checkedNumber("gate.sourceRate", options.sourceRate, 20, 1, Infinity)
    const sourceBurst = yield* checkedNumber("gate.sourceBurst", options.sourceBurst, 5, 1, 65_536)
    return {
      make: (): Gate => ({
        cookies: Cookie.make({
          fill: shared?.fill ?? entropy.fill,
          mac: (key, data) => mac.hmac("SHA256", key, data)
        }),
        admission: AdmissionTable.make({
          limit,
          perSource,
          sourceRate,
          sourceBurst,
          seed: shared?.seed ?? entropy.uint32(),
          ...(shared === undefined ? {} : { shared: shared.admissions })
        })
      })
    }
  })

/**
 * Who may begin a handshake, as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class HandshakeGate extends Context.Tag("intentra/HandshakeGate")<HandshakeGate, HandshakeGateShape>() {
  static readonly layerWith = (
    options: HandshakeGateOptions = {}
  ): Layer.Layer<HandshakeGate, IntentraError, Entropy | Mac> => Layer.effect(HandshakeGate, makeGates(options))
  /** 100 in flight, 5 per source, 20/s burst 5. */
  static readonly layer: Layer.Layer<HandshakeGate, IntentraError, Entropy | Mac> = HandshakeGate.layerWith()
  /** Sources are not limited: for tests and private networks. The cookie stays. */
  static readonly layerOpen: Layer.Layer<HandshakeGate, IntentraError, Entropy | Mac> = HandshakeGate.layerWith({
    inFlight: 4096,
    perSource: 4096,
    sourceRate: Infinity,
    sourceBurst: 4096
  })
}

/**
 * The gate of one of several threads that serve the same address.
 *
 * @internal
 */
export const layerShared = (
  options: HandshakeGateOptions,
  shared: SharedGate
): Layer.Layer<HandshakeGate, IntentraError, Entropy | Mac> => Layer.effect(HandshakeGate, makeGates(options, shared))
