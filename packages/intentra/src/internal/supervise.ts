import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AuthorizerShape } from "../Authorizer.js"
import type { PeerHandle } from "./peerHandle.js"

/** Sessions about which the authorizer is asked again at the same time. */
const REVOCATIONS = 64

type Verdict = ReturnType<AuthorizerShape["authorize"]>

export interface Supervisor {
  /**
   * Calls back with the verdict that is asked for: no when the authorizer throws, fails or dies, or says nothing within
   * the time. What it does before its first pause is done before this returns.
   */
  readonly ask: (question: () => Verdict, done: (admitted: boolean) => void) => void
  /** Whenever verdicts may have changed, asks again about every peer that began its session, until the scope closes. */
  readonly watch: Effect.Effect<void, never, Scope.Scope>
}

/** The authorizer of a transport with these peers. It has so much time for each verdict; `fork` runs it. */
export const supervise = (
  authorizer: AuthorizerShape,
  timeout: Duration.DurationInput,
  fork: (effect: Effect.Effect<void>) => void,
  peers: () => Iterable<PeerHandle>
): Supervisor => {
  let changes = 0
  const verdictOf = (question: () => Verdict): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      const verdict = question()
      return typeof verdict === "boolean"
        ? Effect.succeed(verdict)
        : verdict.pipe(Effect.timeout(timeout), Effect.withSpan("Intentra.authorize"))
    }).pipe(
      Effect.catchAllCause((cause) => Effect.as(Effect.logWarning("the authorizer failed: refused", cause), false))
    )
  const reauthorize: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(
      Array.from(peers()).filter((peer) => !peer.initiator),
      (peer) =>
        Effect.flatMap(
          verdictOf(() => authorizer.authorize(peer.publicKey, peer.address)),
          (admitted) => admitted ? Effect.void : peer.close("AuthFail")
        ),
      { concurrency: REVOCATIONS, discard: true }
    )
  ).pipe(Effect.withSpan("Intentra.reauthorize"))
  return {
    ask: (question, done) => {
      const asked = changes
      fork(
        Effect.flatMap(verdictOf(question), (admitted) => {
          done(admitted)
          // the list has changed while it was being asked: what it said may be old
          return admitted && changes !== asked ? reauthorize : Effect.void
        })
      )
    },
    watch: authorizer.changes === undefined ? Effect.void : authorizer.changes.pipe(
      Stream.runForEach(() =>
        Effect.sync(() => {
          changes++
          fork(reauthorize)
        })
      ),
      Effect.catchAllCause((cause) => Effect.logError("the authorizer tells no more changes", cause)),
      Effect.forkScoped,
      Effect.asVoid
    )
  }
}
