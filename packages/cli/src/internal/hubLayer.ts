/** The transport of a hub whose allow-list may change while it runs: `Intentra.layer` with another authorizer. */
import { Entropy, layerBest } from "@intentra/crypto"
import { UdpSocket } from "@intentra/udp"
import * as Layer from "effect/Layer"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import { Authorizer } from "intentra/Authorizer"
import { FlightRecorder } from "intentra/FlightRecorder"
import { Intentra, layerConcerns } from "intentra/Intentra"
import type { IntentraOptions } from "intentra/Intentra"
import { IntentraError } from "intentra/IntentraError"

const asIntentraError = (error: Error | { readonly _tag: string; toString(): string }): IntentraError =>
  new IntentraError({
    reason: error instanceof Error && error.name === "UdpSocketError" ? "SocketFailed" : "InvalidOptions",
    detail: error instanceof Error ? error.message : String(error),
    cause: error
  })

export const layerHub = (
  options: IntentraOptions,
  allowed: SubscriptionRef.SubscriptionRef<ReadonlyArray<Uint8Array>>
): Layer.Layer<Intentra, IntentraError> => {
  const { host, port, record } = options
  const entropy = record === undefined
    ? Entropy.layer
    : FlightRecorder.layer(record, options).pipe(Layer.provide(Entropy.layer), Layer.mapError(asIntentraError))
  return Intentra.layerCore(options).pipe(
    Layer.provide(Authorizer.layerRef(allowed)),
    Layer.provide(layerConcerns(options)),
    Layer.provide(
      UdpSocket.layerBest({
        ...options.socket,
        ...(host === undefined ? {} : { host }),
        ...(port === undefined ? {} : { port })
      }).pipe(Layer.mapError(asIntentraError))
    ),
    Layer.provide(Layer.merge(Layer.mapError(layerBest, asIntentraError), entropy))
  )
}
