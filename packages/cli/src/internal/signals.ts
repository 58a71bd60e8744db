/** What a command that runs for long makes of signals; the process around it asks here. */
export const signals = {
  /** After a signal, what does not end by itself has this long, in milliseconds. */
  patience: 5000,
  /** SIGHUP calls it, where there is one, instead of ending the command. */
  onHangup: undefined as (() => void) | undefined
}
