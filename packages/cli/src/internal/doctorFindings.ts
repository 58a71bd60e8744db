/** What the facts mean, and how to mend what is wrong. */
import type { Facts, Probe } from "./doctorFacts.js"

export interface Finding {
  readonly check: string
  /** `slow`: it works, at a cost. `hint`: nothing is wrong here, and something else may be. */
  readonly status: "ok" | "slow" | "broken" | "hint"
  readonly found: string
  /** A command, or what else to do. */
  readonly mend: string | undefined
}

/** What a transport asks the kernel for. */
const WANTED_BYTES = 4 * 2 ** 20
const LEAST_NODE = [20, 19] as const
/** A hub has one socket, a few for HTTP, and what Node itself needs. */
const LEAST_FILES = 64
const ENOUGH_FILES = 1024

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 2 : 1)} MiB`

const ok = (check: string, found: string): Finding => ({ check, status: "ok", found, mend: undefined })

const isOlder = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])
}

const node = ({ node: version }: Facts): Finding =>
  isOlder(version)
    ? {
      check: "node",
      status: "broken",
      found: `Node ${version}`,
      mend: `install Node ${LEAST_NODE.join(".")} or newer: https://nodejs.org`
    }
    : ok("node", `Node ${version}`)

const udp = ({ portable }: Facts): Finding =>
  portable.ok
    ? ok("udp", "a socket on 127.0.0.1 hears itself")
    : {
      check: "udp",
      status: "broken",
      found: portable.why,
      mend: "let this process open UDP sockets: look at its container, its sandbox and the loopback (ip addr show lo)"
    }

/** How native calls come to be there. */
const mendNative = (probe: Extract<Probe<unknown>, { ok: false }>): string | undefined => {
  switch (probe.reason) {
    case "KoffiMissing":
      return "npm install koffi"
    case "PlatformUnsupported":
      return undefined
    case "SelfTestFailed":
    case "LayoutMismatch":
    case "SymbolMissing":
      return "npm install koffi@latest, and please report it if that does not help"
    default:
      return "let this process load native addons (node --permission needs --allow-addons)"
  }
}

const unlessNative = (check: string, probe: Extract<Probe<unknown>, { ok: false }>, slower: string): Finding => ({
  check,
  // where nobody could have it, nothing is to be mended
  status: probe.reason === "PlatformUnsupported" ? "hint" : "slow",
  found: `${slower}: ${probe.why}`,
  mend: mendNative(probe)
})

const batch = ({ batched }: Facts): Finding =>
  batched.ok
    ? ok("batched sockets", "many datagrams with one call")
    : unlessNative("batched sockets", batched, "one call for each datagram")

const offload = ({ native, release }: Facts): ReadonlyArray<Finding> => {
  if (!native.ok) return []
  const one = (check: string, works: boolean, least: string): Finding =>
    works ? ok(check, "the kernel takes and gives many datagrams at once") : {
      check,
      status: "slow",
      found: `Linux ${release} does not do it`,
      mend: `upgrade to Linux ${least} or newer`
    }
  return [
    one("GSO (UDP_SEGMENT)", native.value.segmentation, "4.18"),
    one("GRO (UDP_GRO)", native.value.coalescing, "5.0")
  ]
}

const crypto = ({ openSsl }: Facts): Finding =>
  openSsl.ok
    ? ok("crypto", `OpenSSL ${openSsl.value}, called directly`)
    : unlessNative("crypto", openSsl, "node:crypto, which takes several times as long for a packet")

const buffer = (
  facts: Facts,
  check: string,
  setting: "rmem_max" | "wmem_max",
  field: "receiveBufferBytes" | "sendBufferBytes"
): Finding => {
  const most = setting === "rmem_max" ? facts.rmemMax : facts.wmemMax
  const socket = facts.batched.ok ? facts.batched : facts.portable
  const granted = socket.ok ? socket.value[field] : 0
  const found = `${mebibytes(granted)} granted of ${mebibytes(WANTED_BYTES)}` +
    (most === undefined ? "" : `, net.core.${setting} is ${most}`)
  if (granted >= WANTED_BYTES) return ok(check, found)
  return {
    check,
    status: "slow",
    found: `${found}: bursts are lost in the kernel`,
    mend: most === undefined
      ? "raise the system's limit for the buffers of sockets (kern.ipc.maxsockbuf on macOS and BSD)"
      : `sudo sysctl -w net.core.${setting}=${WANTED_BYTES} (and in /etc/sysctl.d/ to keep it)`
  }
}

const files = ({ openFiles }: Facts): ReadonlyArray<Finding> => {
  if (openFiles === undefined) return []
  const found = openFiles === Infinity ? "no limit" : `${openFiles} at a time`
  if (openFiles >= ENOUGH_FILES) return [ok("open files", found)]
  return [{
    check: "open files",
    status: openFiles < LEAST_FILES ? "broken" : "slow",
    found,
    mend: `ulimit -n ${ENOUGH_FILES} (LimitNOFILE= of a systemd unit)`
  }]
}

const firewall = ({ firewalls }: Facts, port: number): ReadonlyArray<Finding> =>
  firewalls.map((name) => {
    const hint = (mend: string): Finding => ({
      check: `firewall (${name})`,
      status: "hint",
      found: "peers from elsewhere may be kept out",
      mend
    })
    switch (name) {
      case "ufw":
        return hint(`sudo ufw allow ${port}/udp`)
      case "firewalld":
        return hint(`sudo firewall-cmd --permanent --add-port=${port}/udp && sudo firewall-cmd --reload`)
      case "nftables":
        return hint(`sudo nft list ruleset, and a rule such as: udp dport ${port} accept`)
    }
  })

/** One finding for each thing that was looked at. */
export const diagnose = (facts: Facts, port: number): ReadonlyArray<Finding> => [
  node(facts),
  udp(facts),
  batch(facts),
  ...offload(facts),
  crypto(facts),
  buffer(facts, "receive buffer", "rmem_max", "receiveBufferBytes"),
  buffer(facts, "send buffer", "wmem_max", "sendBufferBytes"),
  ...files(facts),
  ...firewall(facts, port)
]
