/** Standard output and standard error: what to do when they take nothing more. */

const lost = (error: NodeJS.ErrnoException): never => {
  // whoever read our output has left: nobody is there to be told
  if (error.code === "EPIPE") return process.exit(0)
  process.stderr.write(`intentra: cannot write to standard output: ${error.message}\n`)
  return process.exit(1)
}

/** From now on, output that cannot be written ends this process; what stands on standard error is no such output. */
export const watchOutput = (): void => {
  process.stdout.on("error", lost)
  process.stderr.on("error", () => {})
}

/** Ends this process when its output has been written, with 1 when that cannot be. */
export const endProcess = (code: number | string): void => {
  process.stdout.write("", () => {
    const error = process.stdout.errored
    if (error !== null && code === 0) lost(error)
    process.exit(code)
  })
}
