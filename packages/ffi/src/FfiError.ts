/**
 * Why native calls are not available, or what one of them answered.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * - `KoffiMissing`: the optional dependency koffi is not installed, or has no build for this platform.
 * - `PlatformUnsupported`: not Linux on x64 or arm64.
 * - `SymbolMissing`: a function that is needed is not exported; `detail` names it.
 * - `LayoutMismatch`: a structure does not lie in memory as expected; nothing is called then.
 * - `SelfTestFailed`: a function answered with something else than it must.
 * - `SystemCall`: the operating system refused; `detail` has the call and the name of its `errno`.
 *
 * @since 0.1.0
 * @category models
 */
export type FfiErrorReason =
  | "KoffiMissing"
  | "PlatformUnsupported"
  | "SymbolMissing"
  | "LayoutMismatch"
  | "SelfTestFailed"
  | "SystemCall"

/**
 * Native calls are not available, or one failed. Every reason but `SystemCall` means: take the portable path.
 *
 * @since 0.1.0
 * @category errors
 */
export class FfiError extends Data.TaggedError("FfiError")<{
  readonly reason: FfiErrorReason
  readonly detail: string
  /** The `errno` of a refused system call, such as `EADDRINUSE`. */
  readonly code?: string
  readonly cause?: unknown
}> {
  override get message(): string {
    switch (this.reason) {
      case "KoffiMissing":
        return `koffi cannot be loaded (${this.detail}): install it (npm install koffi), or use the portable path`
      case "PlatformUnsupported":
        return `native calls are made on Linux x64 and arm64 only, this is ${this.detail}: use the portable path`
      case "SymbolMissing":
        return `${this.detail} is not exported by this Node or its C library: use the portable path`
      case "LayoutMismatch":
        return `a structure lies in memory otherwise than expected (${this.detail}): use the portable path`
      case "SelfTestFailed":
        return `native calls do not do what they must (${this.detail}): use the portable path`
      case "SystemCall":
        return this.detail
    }
  }
}
