import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import type { Delivery } from "../../src/index.js"
import { MessageQueue } from "../../src/internal/messageQueue.js"

const delivery = (number: number, reliable: boolean): Delivery =>
  ({ payload: Uint8Array.of(number & 255), intent: reliable ? "Reliable" : "Realtime", receivedAt: number }) as Delivery

describe("MessageQueue", () => {
  it.prop(
    "messages come out in order of arrival; of too many the oldest droppable ones are missing, never a Reliable one",
    [FastCheck.array(FastCheck.option(FastCheck.boolean(), { nil: undefined }), { maxLength: 600 })],
    ([steps]) => {
      const queue = new MessageQueue(20, 1e6)
      let model: Array<Delivery> = []
      let dropped = 0
      steps.forEach((reliable, number) => {
        if (reliable === undefined && number % 7 === 0) {
          assert.deepStrictEqual(queue.drain(), model)
          model = []
          return
        }
        const one = delivery(number, reliable === true)
        model.push(one)
        while (model.length > 20) {
          const oldest = model.findIndex(({ intent }) => intent !== "Reliable")
          if (oldest < 0) break
          model.splice(oldest, 1)
          dropped++
        }
        assert.strictEqual(queue.push(one), model.length <= 20)
        assert.strictEqual(queue.size, model.length)
      })
      assert.deepStrictEqual(queue.drain(), model)
      assert.strictEqual(queue.dropped, dropped)
    }
  )

  it("it is bounded in bytes too", () => {
    const queue = new MessageQueue(1000, 100)
    for (let i = 0; i < 50; i++) queue.push({ ...delivery(i, false), payload: new Uint8Array(30) })
    assert.strictEqual(queue.size, 3)
    assert.strictEqual(queue.dropped, 47)
  })
})
