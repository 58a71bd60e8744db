/** Something that one consumer can wait for. */
export class Waiter {
  private waiter: (() => void) | undefined = undefined

  /** Calls back once, when `wake` is called. */
  onWake(callback: () => void): void {
    this.waiter = callback
  }

  forgetWaiter(): void {
    this.waiter = undefined
  }

  /** There is something to take, or there will be nothing more. */
  wake(): void {
    const { waiter } = this
    if (waiter === undefined) return
    this.waiter = undefined
    waiter()
  }
}
