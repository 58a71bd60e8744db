import type { ReceiveBatch } from "../DatagramBatch.js"

/**
 * Calls a handler with a batch and gives back how many datagrams it has handled. `first` is where it goes on, `count`
 * when nothing is left.
 *
 * @internal
 */
export const handOver = (batch: ReceiveBatch, handler: (batch: ReceiveBatch) => void): number => {
  const { count, first } = batch
  handler(batch)
  if (!(batch.first > first && batch.first < count)) batch.first = count
  return batch.first - first
}
