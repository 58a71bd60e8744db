import * as Fs from "node:fs"

/**
 * Standard output for data. `process.stdout` writes to a pipe synchronously, so that a slow reader would stall the
 * sockets; this one writes beside the event loop, and tells when it is done.
 */
export class LineWriter {
  private readonly stream = Fs.createWriteStream("", { fd: 1, autoClose: false })

  constructor() {
    // the reader has left: there is nothing more to do
    this.stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1))
  }

  write(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.stream.write(text, () => resolve())
    })
  }

  json(value: unknown): Promise<void> {
    return this.write(`${JSON.stringify(value)}\n`)
  }
}
