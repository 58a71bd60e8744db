import { spawn } from "node:child_process"
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The committed command, as a user of a clone starts it. */
export const bin = fileURLToPath(new URL("../../bin/intentra.js", import.meta.url))

/** What a test that starts processes may take on a busy machine. */
export const TIMEOUT = 60_000

/** A running command, whose output can be waited for. */
export class Running {
  stdout = ""
  stderr = ""
  code: number | undefined = undefined
  readonly child: ChildProcessWithoutNullStreams
  private listeners: Array<() => void> = []

  constructor(args: ReadonlyArray<string>, cwd?: string) {
    const env = { ...process.env, INTENTRA_SOURCE: "1" }
    this.child = spawn(process.execPath, [bin, ...args], { cwd, env, stdio: "pipe" })
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text
      this.changed()
    })
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text
      this.changed()
    })
    this.child.on("close", (code) => {
      this.code = code ?? -1
      this.changed()
    })
  }

  private changed(): void {
    const { listeners } = this
    this.listeners = []
    for (const listener of listeners) listener()
  }

  /** The first match in what was written; fails when the command ends without it. */
  async match(pattern: RegExp, stream: "stdout" | "stderr" = "stdout"): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this[stream].match(pattern)
      if (match !== null) return match
      if (this.code !== undefined) throw new Error(`ended with ${this.code} before ${pattern}:\n${this.output}`)
      await this.next()
    }
  }

  /** The exit code, when all output has been read. */
  async exit(): Promise<number> {
    while (this.code === undefined) await this.next()
    return this.code
  }

  /** Ends it, however it is. */
  async end(): Promise<void> {
    if (this.code === undefined) this.child.kill("SIGKILL")
    await this.exit()
  }

  get output(): string {
    return this.stdout + this.stderr
  }

  private next(): Promise<void> {
    return new Promise((resolve) => this.listeners.push(resolve))
  }
}

/** Starts commands and gives them a folder; whatever a test leaves running is ended, and the folder removed. */
export const withCommands = async <A>(
  use: (start: (...args: ReadonlyArray<string>) => Running, folder: string) => Promise<A>
): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "intentra-cli-"))
  const running: Array<Running> = []
  try {
    return await use((...args) => {
      const it = new Running(args, folder)
      running.push(it)
      return it
    }, folder)
  } finally {
    await Promise.all(running.map((it) => it.end()))
    rmSync(folder, { recursive: true, force: true })
  }
}
