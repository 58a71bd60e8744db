/** Light and dark by the reader's choice; one column where there is no room for two. */
export const liveCss = `:root {
  --back: #f6f7f9; --card: #ffffff; --line: #d9dde3; --text: #16191d; --muted: #565e69;
  --good: #1a7f4b; --warn: #8a5a00; --bad: #b3261e;
  --c0: #0b62b8; --c1: #c25700; --c2: #1a7f4b; --c3: #8e3a9d; --c4: #8a6d00; --c5: #0e7c86; --c6: #b3261e; --c7: #5a6270;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #101317; --card: #181c22; --line: #2e353e; --text: #e7eaee; --muted: #9aa4b1;
    --good: #56c98c; --warn: #e0b04c; --bad: #ff8a80;
    --c0: #6cb2ff; --c1: #ff9d57; --c2: #56c98c; --c3: #d391e3; --c4: #e0c04c; --c5: #4ecbd6; --c6: #ff8a80; --c7: #a5afbc;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif }
header, main { max-width: 1200px; margin: 0 auto; padding: 0 16px }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 16px; padding-top: 16px }
h1 { font-size: 1.3rem; margin: 0 }
h2 { font-size: 1rem; margin: 0 }
.note { color: var(--muted); font-size: .85rem; margin: 0; overflow-wrap: anywhere }
.status { margin: 0; font-weight: 600 }
.status::before { content: "● "; }
.status[data-phase="serving"] { color: var(--good) }
.status[data-phase="draining"], .status[data-phase="starting"], .status[data-phase="waiting"] { color: var(--warn) }
.status[data-phase="lost"] { color: var(--bad) }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 8px; margin: 12px 0 }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px }
.tile dt { color: var(--muted); font-size: .78rem }
.tile dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; white-space: nowrap }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 12px; margin-bottom: 12px }
.card { min-width: 0; margin-bottom: 12px }
.charts .card { margin-bottom: 0 }
.chart { height: 240px; margin-top: 6px; overflow: hidden }
.u-legend { font-size: .78rem; color: var(--text); text-align: left }
.u-legend .u-marker { border-radius: 2px }
.scroll { overflow-x: auto }
.scroll table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; margin-top: 6px }
.scroll th, .scroll td { text-align: left; padding: 4px 8px; border-bottom: 1px solid var(--line); white-space: nowrap }
.scroll .n { text-align: right }
th button { all: unset; cursor: pointer; color: var(--muted); font-weight: 600 }
th button:focus-visible, a:focus-visible { outline: 2px solid var(--c0); outline-offset: 2px }
th[aria-sort="ascending"] button::after { content: " ↑" }
th[aria-sort="descending"] button::after { content: " ↓" }
td:first-child { font-family: ui-monospace, monospace }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
body[data-lost] main { opacity: .55 }
@media (max-width: 480px) { header, main { padding-left: 10px; padding-right: 10px } .chart { height: 200px } }
`
