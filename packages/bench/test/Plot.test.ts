import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as Plot from "../src/Plot.js"

/** Whether every element that begins ends, in order. */
const isWellFormed = (text: string): boolean => {
  const open: Array<string> = []
  for (const [, closing, name, , alone] of text.matchAll(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    if (closing === "/") {
      if (open.pop() !== name) return false
    } else if (alone !== "/") open.push(name)
  }
  const tags = text.match(/</g)?.length ?? 0
  const read = text.match(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)?.length ?? 0
  return open.length === 0 && tags === read
}

/** Every place of every line and point, as numbers. */
const places = (text: string): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (const [, path] of text.matchAll(/ d="([^"]*)"/g)) {
    for (const number of path.split(/[MLVHh ]/)) if (number !== "") found.push(Number(number))
  }
  for (const [, x, y] of text.matchAll(/cx="([^"]*)" cy="([^"]*)"/g)) found.push(Number(x), Number(y))
  return found
}

const axis = FastCheck.record({ label: FastCheck.string(), log: FastCheck.boolean() })
const number = FastCheck.oneof(
  FastCheck.double({ min: -1e9, max: 1e9, noNaN: true }),
  FastCheck.integer({ min: 0, max: 10 })
)
const options = FastCheck.record({
  title: FastCheck.string(),
  subtitle: FastCheck.string(),
  x: axis,
  y: axis,
  series: FastCheck.array(
    FastCheck.record({
      name: FastCheck.string(),
      points: FastCheck.array(FastCheck.tuple(number, number), { maxLength: 8 }),
      dashed: FastCheck.boolean()
    }),
    { maxLength: 5 }
  )
})

describe("Plot", () => {
  it.prop("a plot of any names and points is a well-formed SVG of finite numbers", [options], ([it]) => {
    const text = Plot.svg(it)
    assert.isTrue(text.startsWith("<svg ") && text.endsWith("</svg>\n"))
    assert.isTrue(isWellFormed(text.replace(/<style>[^<]*<\/style>/, "")), text)
    for (const place of places(text)) assert.isTrue(Number.isFinite(place), text)
  })

  it("values that hardly differ, and such as are hardly more than nothing, end in a plot too", () => {
    for (const log of [false, true]) {
      for (const values of [[5e-324, 1], [5e-324, 1e-323], [-1e9, -1e9 + 2e-7], [1e9, 1e9 + 2e-7], [0, 5e-324]]) {
        const points = values.map((value) => [value, value] as const)
        const it = { label: "l", log }
        const text = Plot.svg({ title: "t", subtitle: "s", x: it, y: it, series: [{ name: "n", points }] })
        for (const place of places(text)) assert.isTrue(Number.isFinite(place), text)
      }
    }
  })

  it("larger values stand further to the right and further up, on linear and logarithmic axes", () => {
    for (const log of [false, true]) {
      const text = Plot.svg({
        title: "t",
        subtitle: "s",
        x: { label: "x", log },
        y: { label: "y", log },
        series: [{ name: "a", points: [[1, 1], [10, 20], [1000, 500]] }]
      })
      const points = [...text.matchAll(/cx="([^"]*)" cy="([^"]*)"/g)].map(([, x, y]) => [Number(x), Number(y)])
      assert.lengthOf(points, 3)
      for (let i = 1; i < points.length; i++) {
        assert.isAbove(points[i][0], points[i - 1][0])
        assert.isBelow(points[i][1], points[i - 1][1])
      }
    }
  })

  it("every series has a line and its name in the legend, and colours for light and dark ground", () => {
    const text = Plot.svg({
      title: "t",
      subtitle: "s",
      x: { label: "x" },
      y: { label: "y" },
      series: [
        { name: "first", points: [[0, 1], [1, 2]] },
        { name: "second", points: [[0, 2], [1, 3]], dashed: true }
      ]
    })
    assert.include(text, ">first</text>")
    assert.include(text, ">second</text>")
    assert.match(text, /class="line s0" d="M[\d. ]+L/)
    assert.match(text, /class="line s1 dashed" d="M[\d. ]+L/)
    assert.include(text, "prefers-color-scheme:dark")
  })
})
