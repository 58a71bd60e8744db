/** The live page in the browser: asks the hub once a second, draws four charts and a table. */

const { uPlot } = globalThis

const HISTORY = 300
const SHOWN_PEERS = 200
const SECOND = 1000

const element = (id) => document.getElementById(id)
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 })
const number = (value) => (value >= 100 || Number.isInteger(value) ? whole.format(value) : value.toFixed(1))
const millis = (value) => (value === null ? "–" : value < 10 ? `${value.toFixed(2)} ms` : `${whole.format(value)} ms`)
const percent = (value) => (value === null ? "–" : `${(value * 100).toFixed(value === 1 ? 0 : 2)} %`)

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const timeOf = (seconds) => clock.format(seconds * SECOND)

const duration = (ms) => {
  const seconds = Math.floor(ms / SECOND)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

const get = async (path) => {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5 * SECOND) })
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return response.json()
}

/** One chart; its lines may change. */
class Chart {
  constructor(id, format, range) {
    this.box = element(id)
    this.format = format
    this.range = range
    this.labels = []
    this.plot = undefined
    new ResizeObserver(() => this.fit()).observe(this.box)
  }

  size() {
    return { width: Math.max(this.box.clientWidth, 100), height: Math.max(this.box.clientHeight - 40, 80) }
  }

  fit() {
    this.plot?.setSize(this.size())
  }

  build(labels) {
    this.plot?.destroy()
    this.labels = labels
    const axis = {
      stroke: () => color("--muted"),
      grid: { stroke: () => color("--line"), width: 1 },
      ticks: { show: false }
    }
    const series = labels.map((label, index) => ({
      label,
      stroke: () => color(`--c${index % 8}`),
      width: 1.5,
      points: { show: false },
      value: (_, value) => (value === null || value === undefined ? "–" : this.format(value))
    }))
    this.plot = new uPlot(
      {
        ...this.size(),
        series: [{ label: "at", value: (_, at) => (at === null ? "–" : timeOf(at)) }, ...series],
        axes: [{ ...axis, space: 80, values: (_, times) => times.map(timeOf) }, {
          ...axis,
          size: 64,
          values: (_, values) => values.map(this.format)
        }],
        scales: { y: { range: this.range } },
        cursor: { y: false }
      },
      [[], ...labels.map(() => [])],
      this.box
    )
  }

  draw(times, columns) {
    const labels = Object.keys(columns)
    if (this.plot === undefined || labels.join() !== this.labels.join()) this.build(labels)
    this.plot.setData([times, ...Object.values(columns)])
  }

  redraw() {
    this.build(this.labels)
  }
}

const fromZero = (_, _least, most) => [0, most > 0 ? most * 1.1 : 1]

const charts = {
  rate: new Chart("chart-rate", number, fromZero),
  delivery: new Chart("chart-delivery", percent, (_, least) => [Math.min(least ?? 1, 0.9), 1]),
  rtt: new Chart("chart-rtt", millis, fromZero),
  drops: new Chart("chart-drops", number, fromZero)
}

let samples = []
/** The wall clock's milliseconds when the hub started. */
let origin = 0

const draw = () => {
  const times = samples.map((it) => (origin + it.at) / SECOND)
  const column = (read) => samples.map(read)
  charts.rate.draw(times, {
    received: column((it) => it.rates.messagesReceived),
    sent: column((it) => it.rates.messagesSent)
  })
  charts.delivery.draw(times, { delivery: column((it) => it.delivery) })
  charts.rtt.draw(times, { median: column((it) => it.rtt.p50), "99 %": column((it) => it.rtt.p99) })
  const reasons = [...new Set(samples.flatMap((it) => Object.keys(it.rates.dropped)))].sort()
  const drops = Object.fromEntries(reasons.map((reason) => [reason, column((it) => it.rates.dropped[reason] ?? 0)]))
  charts.drops.draw(times, reasons.length === 0 ? { none: column(() => 0) } : drops)
}

const tiles = (sample) => {
  const dropped = Object.values(sample.rates.dropped).reduce((sum, rate) => sum + rate, 0)
  element("peers").textContent = whole.format(sample.peers)
  element("messages-in").textContent = number(sample.rates.messagesReceived)
  element("messages-out").textContent = number(sample.rates.messagesSent)
  element("delivery").textContent = percent(sample.delivery)
  element("rtt").textContent = millis(sample.rtt.p50)
  element("dropped").textContent = number(dropped)
  element("turn").textContent = millis(sample.longestTurnMs)
  element("queued").textContent = whole.format(sample.queued)
}

const say = (phase, text) => {
  const status = element("status")
  if (status.textContent !== text) status.textContent = text
  status.dataset.phase = phase
  document.body.toggleAttribute("data-lost", phase === "lost")
}

const describe = ({ hub, phase }) => {
  say(phase, phase)
  if (hub === null) return
  element("hub").textContent =
    `${hub.address}, ${hub.socket} sockets, sealed by ${hub.crypto}, version ${hub.version}, public key ${hub.publicKey}`
}

let sortBy = "messagesReceived"
let ascending = false
let rows = []

const compare = (a, b) => {
  const [x, y] = [a[sortBy], b[sortBy]]
  const order = typeof x === "string" ? x.localeCompare(y) : (x ?? Infinity) - (y ?? Infinity)
  return ascending ? order : -order
}

const cell = (text, numeric) => {
  const it = document.createElement("td")
  it.textContent = text
  if (numeric) it.className = "n"
  return it
}

const table = () => {
  element("rows").replaceChildren(
    ...rows.toSorted(compare).map((peer) => {
      const row = document.createElement("tr")
      const key = cell(peer.id, false)
      key.title = peer.publicKey
      row.append(
        key,
        cell(peer.address, false),
        cell(millis(peer.rttMs), true),
        cell(percent(peer.loss), true),
        cell(whole.format(peer.messagesReceived), true),
        cell(whole.format(peer.dropped), true),
        cell(duration(peer.silenceMs), true),
        cell(duration(peer.ageMs), true)
      )
      return row
    })
  )
  for (const button of document.querySelectorAll("th button")) {
    const chosen = button.dataset.sort === sortBy
    button.parentElement.ariaSort = chosen ? (ascending ? "ascending" : "descending") : "none"
  }
}

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    ascending = button.dataset.sort === sortBy ? !ascending : typeof rows[0]?.[button.dataset.sort] === "string"
    sortBy = button.dataset.sort
    table()
  })
}

const peers = async () => {
  const { peers: found, total } = await get(`/peers?limit=${SHOWN_PEERS}`)
  rows = found
  element("peers-note").textContent = total > found.length
    ? `${whole.format(found.length)} of ${whole.format(total)}; /peers has more`
    : ""
  table()
}

/** Everything anew: at the start, and when the hub or the reader has been away. */
const begin = async () => {
  const { samples: kept, ...stats } = await get("/history")
  samples = kept
  const newest = samples.at(-1)
  origin = newest === undefined ? Date.now() : Date.now() - newest.at
  describe(stats)
  draw()
  if (newest !== undefined) tiles(newest)
}

const step = async () => {
  const stats = await get("/stats")
  const { sample } = stats
  const newest = samples.at(-1)
  // a gap, or another hub
  if (sample !== null && (newest === undefined || sample.at < newest.at || sample.at - newest.at > 3 * SECOND)) {
    return begin()
  }
  describe(stats)
  if (sample === null || sample.at === newest.at) return
  samples = [...samples.slice(1 - HISTORY), sample]
  tiles(sample)
  draw()
}

let turn = 0

const run = async () => {
  if (!document.hidden) {
    try {
      await (turn === 0 ? begin() : step())
      if (turn % 2 === 0) await peers()
      turn++
    } catch {
      turn = 0
      say("lost", "the hub does not answer")
    }
  }
  setTimeout(run, SECOND)
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const chart of Object.values(charts)) chart.redraw()
  draw()
})

void run()
