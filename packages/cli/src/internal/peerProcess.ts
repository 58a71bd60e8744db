import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import type { FromPeer, ToPeer } from "./demoMessages.js"

/** How long a process has to end after it was asked to. */
const STOP_MS = 1000

/** What is kept of a process's standard error, for the line that tells of its death. */
const STDERR_CHARS = 4000

/**
 * The arguments of Node that run a peer. Sources go through tsx's hook for CommonJS: it runs within the thread, which
 * halves the start of a process against the hook for ES modules.
 */
const peerArguments = (): ReadonlyArray<string> => {
  const entry = fileURLToPath(new URL("./demoPeer.js", import.meta.url))
  if (!import.meta.url.endsWith(".ts")) return [entry]
  const tsx = createRequire(import.meta.url).resolve("tsx/cjs")
  return ["--require", tsx, "--eval", `require(${JSON.stringify(entry.replace(/\.js$/, ".ts"))})`]
}

/** One peer process, as its parent sees it. */
export class PeerProcess {
  connected = false
  /** The last count that the process told. */
  sent = 0
  done = false
  drops: { readonly [reason: string]: number } = {}
  /** Why it will not finish. */
  failure: string | undefined = undefined
  exited = false

  private readonly child: ChildProcess
  private stderr = ""
  private stopping = false

  constructor(
    readonly index: number,
    private readonly first: ToPeer,
    private readonly onChange: () => void
  ) {
    this.child = spawn(process.execPath, peerArguments(), { stdio: ["ignore", "ignore", "pipe", "ipc"] })
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_CHARS)
    })
    this.child.on("message", (message: FromPeer) => this.onMessage(message))
    this.child.on("error", (error) => {
      if (this.child.pid !== undefined) return
      this.exited = true
      this.fail(`cannot be started: ${error.message}`)
    })
    // "close" comes when its standard error has been read
    this.child.on("close", (code, signal) => {
      this.exited = true
      if (!this.stopping) this.fail(`died (${signal ?? `exit code ${code}`})${this.lastWords()}`)
      this.onChange()
    })
  }

  get pid(): number | undefined {
    return this.child.pid
  }

  send(message: ToPeer): void {
    // the callback takes the error of a channel that has just closed
    if (this.child.connected) this.child.send(message, () => {})
  }

  /** Asks the process to end; ends it when it does not. */
  stop(): Promise<void> {
    this.stopping = true
    if (this.exited) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.child.kill("SIGKILL"), STOP_MS)
      this.child.on("close", () => {
        clearTimeout(timer)
        resolve()
      })
      this.send({ type: "stop" })
      // one that is still loading has no session to close
      if (!this.connected) this.child.kill("SIGKILL")
    })
  }

  private onMessage(message: FromPeer): void {
    switch (message.type) {
      case "ready":
        this.send(this.first)
        break
      case "connected":
        this.connected = true
        break
      case "progress":
        this.sent = message.sent
        break
      case "done":
        this.sent = message.sent
        this.drops = message.drops
        this.done = true
        break
      case "failed":
        if (!this.stopping) this.fail(`gave up: ${message.message}`)
        break
    }
    this.onChange()
  }

  private fail(what: string): void {
    if (this.failure !== undefined) return
    this.failure = `peer ${this.index}${this.pid === undefined ? "" : ` (pid ${this.pid})`} ${what}`
    this.onChange()
  }

  private lastWords(): string {
    const line = this.stderr.split("\n").find((text) => /error/i.test(text))
    return line === undefined ? "" : `: ${line.trim()}`
  }
}
