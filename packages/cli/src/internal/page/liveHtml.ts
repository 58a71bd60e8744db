const tile = (id: string, label: string): string => `<div class="tile"><dt>${label}</dt><dd id="${id}">–</dd></div>`

const chart = (id: string, title: string, note: string): string =>
  `<section class="card"><h2>${title}</h2><p class="note">${note}</p>` +
  `<div class="chart" id="${id}" role="img" aria-label="${title}"></div></section>`

const column = (key: string, label: string, kind = ""): string =>
  `<th scope="col"${kind}><button type="button" data-sort="${key}">${label}</button></th>`

/** The page itself; what moves is filled in by live.mjs. */
export const liveHtml = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>intentra hub</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/uplot.css">
<link rel="stylesheet" href="/live.css">
<script defer src="/uplot.js"></script>
<script type="module" src="/live.mjs"></script>
</head>
<body>
<header>
<h1>intentra hub</h1>
<p id="status" class="status" role="status" data-phase="waiting">waiting for the hub</p>
<p id="hub" class="note"></p>
</header>
<main>
<dl class="tiles">
${tile("peers", "peers")}
${tile("messages-in", "messages in, a second")}
${tile("messages-out", "messages out, a second")}
${tile("delivery", "delivery")}
${tile("rtt", "round trip, median")}
${tile("dropped", "dropped, a second")}
${tile("turn", "longest turn")}
${tile("queued", "waiting to be sent")}
</dl>
<div class="charts">
${chart("chart-rate", "Messages a second", "Received in authentic packets, and sealed to be sent.")}
${chart("chart-delivery", "Delivery", "Share of the peers' packets that arrived here.")}
${chart("chart-rtt", "Latency", "Round-trip times of the peers.")}
${chart("chart-drops", "Drops a second, by reason", "Every packet that is dropped has one reason.")}
</div>
<section class="card">
<h2>Peers</h2>
<p class="note" id="peers-note"></p>
<div class="scroll">
<table>
<caption class="hidden">Peers with a session now</caption>
<thead><tr>
${column("id", "key")}
${column("address", "address")}
${column("rttMs", "rtt", " class=\"n\"")}
${column("loss", "loss", " class=\"n\"")}
${column("messagesReceived", "messages", " class=\"n\"")}
${column("dropped", "dropped", " class=\"n\"")}
${column("silenceMs", "silent for", " class=\"n\"")}
${column("ageMs", "connected", " class=\"n\"")}
</tr></thead>
<tbody id="rows"></tbody>
</table>
</div>
</section>
</main>
<noscript><p class="card">This page needs JavaScript. The numbers are at <a href="/stats">/stats</a>,
<a href="/peers">/peers</a> and <a href="/metrics">/metrics</a>.</p></noscript>
</body>
</html>
`
