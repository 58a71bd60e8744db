import { FastCheck, MetricBoundaries, MetricHook, MetricKey, MetricLabel, MetricPair, Option } from "effect"
import * as MetricState from "effect/MetricState"

export type Tags = ReadonlyArray<readonly [key: string, value: string]>

type Pair = MetricPair.MetricPair.Untyped

const tagged = <K extends MetricKey.MetricKey.Untyped>(key: K, tags: Tags): K =>
  MetricKey.taggedWithLabels(key, tags.map(([name, value]) => MetricLabel.make(name, value))) as K

export const counter = (name: string, value: number | bigint, tags: Tags = [], description?: string): Pair =>
  typeof value === "bigint"
    ? MetricPair.unsafeMake(
      tagged(MetricKey.counter(name, { bigint: true, description }), tags),
      MetricState.counter(value)
    )
    : MetricPair.unsafeMake(tagged(MetricKey.counter(name, { description }), tags), MetricState.counter(value))

export const gauge = (name: string, value: number | bigint, tags: Tags = [], description?: string): Pair =>
  typeof value === "bigint"
    ? MetricPair.unsafeMake(
      tagged(MetricKey.gauge(name, { bigint: true, description }), tags),
      MetricState.gauge(value)
    )
    : MetricPair.unsafeMake(tagged(MetricKey.gauge(name, { description }), tags), MetricState.gauge(value))

export const frequency = (
  name: string,
  occurrences: ReadonlyMap<string, number>,
  tags: Tags = [],
  description?: string
): Pair =>
  MetricPair.unsafeMake(tagged(MetricKey.frequency(name, { description }), tags), MetricState.frequency(occurrences))

export const histogram = (
  name: string,
  boundaries: Iterable<number>,
  observations: Iterable<number>,
  tags: Tags = [],
  description?: string
): Pair => {
  const key = tagged(MetricKey.histogram(name, MetricBoundaries.fromIterable(boundaries), description), tags)
  const hook = MetricHook.histogram(key)
  for (const value of observations) hook.update(value)
  return MetricPair.unsafeMake(key, hook.get())
}

export const summary = (
  name: string,
  quantiles: ReadonlyArray<readonly [number, number | undefined]>,
  count: number,
  sum: number,
  tags: Tags = [],
  description?: string
): Pair =>
  MetricPair.unsafeMake(
    tagged(
      MetricKey.summary({
        name,
        maxAge: "1 minute",
        maxSize: 100,
        error: 0.01,
        quantiles: quantiles.map(([q]) => q),
        description
      }),
      tags
    ),
    MetricState.summary({
      error: 0.01,
      quantiles: quantiles.map(([q, value]) => [q, Option.fromNullable(value)] as const),
      count,
      min: 0,
      max: 0,
      sum
    })
  )

/** Any text: all of Unicode, lone surrogates, and often the characters that the format treats specially. */
export const anyText = FastCheck.oneof(
  FastCheck.fullUnicodeString({ maxLength: 8 }),
  FastCheck.string16bits({ maxLength: 4 }),
  FastCheck.stringOf(FastCheck.constantFrom(..."\\\"\n\r\t {},=#_:.-19aé\u2028"), { maxLength: 8 })
)

/** Few names, so that they meet: before cleaning, after it, and with the suffixes of other types. */
export const crowdedName = FastCheck.constantFrom(
  ..."a a_ a.b a_b a__b _a 9 é a_sum a_count a_bucket a_b_sum le quantile key unit __name__ # a:b".split(" "),
  "",
  "a b",
  "a\nb"
)

export const anyName = FastCheck.oneof(anyText, crowdedName)

export const anyNumber = FastCheck.oneof(
  FastCheck.double(),
  FastCheck.integer(),
  FastCheck.constantFrom(NaN, Infinity, -Infinity, 0, -0, 1e21, 5e-324, Number.MAX_VALUE)
)

export const anyValue = FastCheck.oneof(
  anyNumber,
  FastCheck.bigInt(),
  FastCheck.constantFrom(10n ** 400n, -(10n ** 400n), 2n ** 64n)
)

export const anyTags = FastCheck.array(FastCheck.tuple(anyName, anyText), { maxLength: 4 })

const description = FastCheck.option(anyText, { nil: undefined })

export const anyPair = (name: FastCheck.Arbitrary<string>, tags: FastCheck.Arbitrary<Tags>) =>
  FastCheck.oneof(
    FastCheck.tuple(name, anyValue, tags, description).map((args) => counter(...args)),
    FastCheck.tuple(name, anyValue, tags, description).map((args) => gauge(...args)),
    FastCheck.tuple(
      name,
      FastCheck.array(FastCheck.tuple(anyText, FastCheck.nat()), { maxLength: 4 }).map((words) => new Map(words)),
      tags,
      description
    ).map((args) => frequency(...args)),
    FastCheck.tuple(
      name,
      FastCheck.array(anyNumber, { maxLength: 6 }),
      FastCheck.array(anyNumber, { maxLength: 8 }),
      tags,
      description
    ).map((args) => histogram(...args)),
    FastCheck.tuple(
      name,
      FastCheck.array(FastCheck.tuple(anyNumber, FastCheck.option(anyNumber, { nil: undefined })), { maxLength: 4 }),
      FastCheck.nat(),
      anyNumber,
      tags,
      description
    ).map((args) => summary(...args))
  )
