const told = Symbol.for("intentra/vectors-told")

/**
 * Says once per run, not once per project, that the third-party vectors are not there.
 */
export const setup = (): void => {
  const memory = globalThis as { [told]?: boolean }
  if (process.env.INTENTRA_VECTORS || memory[told]) return
  memory[told] = true
  console.log("INTENTRA_VECTORS is not set: third-party vector tests are skipped")
}
