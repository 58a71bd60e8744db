/**
 * Line plots as SVG, readable on light and dark ground.
 *
 * @since 0.1.0
 */

/**
 * One line: points in the order in which they are joined.
 *
 * @since 0.1.0
 * @category models
 */
export interface Series {
  readonly name: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  /** For what a figure is compared with. */
  readonly dashed?: boolean
}

/**
 * One direction of a plot.
 *
 * @since 0.1.0
 * @category models
 */
export interface Axis {
  readonly label: string
  /** Logarithmic: points at or below zero are left out. */
  readonly log?: boolean
  /** Where it begins and ends; else as far as the points reach. */
  readonly from?: number
  readonly to?: number
  /** Marks of its own, with their text. */
  readonly ticks?: ReadonlyArray<readonly [value: number, text: string]>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PlotOptions {
  readonly title: string
  /** Under the title: where and when. */
  readonly subtitle: string
  readonly x: Axis
  readonly y: Axis
  readonly series: ReadonlyArray<Series>
}

const WIDTH = 720
const HEIGHT = 420
const LEFT = 78
const RIGHT = 24
const TOP = 62
const BOTTOM = 84
const TICKS = 6
/** Smaller ones are no figures of anything, and have no logarithm to reckon with. */
const LEAST = 1e-300

/** Colours that differ for most eyes, on light and on dark ground. */
const COLOURS = [["#0b62c4", "#6cb2ff"], ["#b34700", "#ff9d57"], ["#2d7a2d", "#7fd67f"], [
  "#7a3fa0",
  "#cfa0f2"
]] as const

const style = (): string => {
  const light = COLOURS.map(([colour], i) => `.s${i}{stroke:${colour}}.f${i}{fill:${colour}}`).join("")
  const dark = COLOURS.map(([, colour], i) => `.s${i}{stroke:${colour}}.f${i}{fill:${colour}}`).join("")
  return "text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:16px;font-weight:600;fill:#111}" +
    ".ground{fill:#fff}.grid{stroke:#ddd}.axis{stroke:#888}.line{fill:none;stroke-width:2}" +
    `.dashed{stroke-dasharray:6 5}${light}` +
    "@media(prefers-color-scheme:dark){text{fill:#ccc}.title{fill:#eee}.ground{fill:#14171c}.grid{stroke:#343a42}" +
    `.axis{stroke:#8a919b}${dark}}`
}

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")

/** Figures for people: 1.5M, 200k, 0.998. */
const short = (value: number): string => {
  const magnitude = Math.abs(value)
  if (magnitude >= 1e6) return `${trimmed(value / 1e6)}M`
  if (magnitude >= 1e3) return `${trimmed(value / 1e3)}k`
  return trimmed(value)
}

const trimmed = (value: number): string => String(Number(value.toPrecision(4)))

/** 1, 2 or 5 times a power of ten. */
const niceStep = (span: number): number => {
  const rough = span / TICKS
  const power = 10 ** Math.floor(Math.log10(rough))
  const times = rough / power
  return (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10) * power
}

interface Scale {
  readonly place: (value: number) => number
  readonly ticks: ReadonlyArray<readonly [value: number, text: string]>
}

const scaled = (axis: Axis, values: ReadonlyArray<number>, begin: number, end: number): Scale => {
  const log = axis.log === true
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value >= LEAST))
  let low = axis.from ?? (log ? Math.min(...usable) : Math.min(0, ...usable))
  let high = axis.to ?? Math.max(...usable)
  if (!Number.isFinite(low) || !Number.isFinite(high)) {
    low = log ? 1 : 0
    high = 10
  }
  // what no step of a double can divide is drawn as one value
  if (high - low <= Math.max(LEAST, Math.abs(low) * 1e-9)) high = low + (log ? low * 9 : Math.max(1, Math.abs(low)))
  const of = (value: number): number => log ? Math.log10(value) : value
  const ticks: Array<readonly [number, string]> = []
  if (axis.ticks !== undefined) {
    for (const tick of axis.ticks) if (tick[0] >= low && tick[0] <= high) ticks.push(tick)
  } else if (log) {
    const first = Math.floor(Math.log10(low))
    const last = Math.ceil(Math.log10(high))
    low = 10 ** first
    high = 10 ** last
    for (let power = first; power <= last; power++) ticks.push([10 ** power, short(10 ** power)])
  } else {
    const step = niceStep(high - low)
    if (axis.from === undefined) low = Math.floor(low / step) * step
    if (axis.to === undefined) high = Math.ceil(high / step) * step
    const first = Math.ceil(low / step)
    const last = Math.floor((high + step / 1e6) / step)
    for (let i = 0; i <= last - first; i++) ticks.push([(first + i) * step, short((first + i) * step)])
  }
  const span = of(high) - of(low)
  return { place: (value) => begin + (of(value) - of(low)) / span * (end - begin), ticks }
}

const at = (value: number): string => value.toFixed(1)

/**
 * The plot as the text of an SVG file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const svg = ({ series, subtitle, title, x, y }: PlotOptions): string => {
  const right = WIDTH - RIGHT
  const bottom = HEIGHT - BOTTOM
  const points = series.flatMap((it) => it.points)
  const across = scaled(x, points.map((point) => point[0]), LEFT, right)
  const up = scaled(y, points.map((point) => point[1]), bottom, TOP)
  const parts: Array<string> = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${
      escape(title)
    }">`,
    `<style>${style()}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`,
    `<text class="title" x="${LEFT}" y="26">${escape(title)}</text>`,
    `<text x="${LEFT}" y="45">${escape(subtitle)}</text>`
  ]
  for (const [value, text] of up.ticks) {
    const line = at(up.place(value))
    parts.push(`<line class="grid" x1="${LEFT}" y1="${line}" x2="${right}" y2="${line}"/>`)
    parts.push(`<text x="${LEFT - 8}" y="${line}" dy="4" text-anchor="end">${escape(text)}</text>`)
  }
  for (const [value, text] of across.ticks) {
    const line = at(across.place(value))
    parts.push(`<line class="grid" x1="${line}" y1="${TOP}" x2="${line}" y2="${bottom}"/>`)
    parts.push(`<text x="${line}" y="${bottom + 18}" text-anchor="middle">${escape(text)}</text>`)
  }
  parts.push(`<path class="axis" fill="none" d="M${LEFT} ${TOP}V${bottom}H${right}"/>`)
  parts.push(`<text x="${(LEFT + right) / 2}" y="${bottom + 40}" text-anchor="middle">${escape(x.label)}</text>`)
  const middle = (TOP + bottom) / 2
  parts.push(
    `<text x="18" y="${middle}" text-anchor="middle" transform="rotate(-90 18 ${middle})">${escape(y.label)}</text>`
  )
  let legend = LEFT
  series.forEach((it, i) => {
    const colour = i % COLOURS.length
    const placed = it.points
      .map(([px, py]) => [across.place(px), up.place(py)] as const)
      .filter(([px, py]) => Number.isFinite(px) && Number.isFinite(py))
    const classes = `line s${colour}${it.dashed === true ? " dashed" : ""}`
    if (placed.length > 0) {
      parts.push(`<path class="${classes}" d="M${placed.map(([px, py]) => `${at(px)} ${at(py)}`).join("L")}"/>`)
    }
    if (it.dashed !== true) {
      for (const [px, py] of placed) parts.push(`<circle class="f${colour}" cx="${at(px)}" cy="${at(py)}" r="3"/>`)
    }
    const line = HEIGHT - 20
    parts.push(`<path class="${classes}" d="M${legend} ${line}h24"/>`)
    parts.push(`<text x="${legend + 30}" y="${line}" dy="4">${escape(it.name)}</text>`)
    legend += 54 + it.name.length * 7
  })
  parts.push("</svg>")
  return `${parts.join("\n")}\n`
}
