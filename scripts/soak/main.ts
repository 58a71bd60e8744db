/** `npm run soak`: what the tests of a few seconds cannot show. */
import { parseArgs } from "node:util"
import { determinism } from "./determinism.js"
import { flood } from "./flood.js"
import * as floodRoles from "./floodRoles.js"
import * as sessionRoles from "./sessionRoles.js"
import { sessions } from "./sessions.js"

const help = `npm run soak -- flood [--seconds 10] [--rate 50000]
npm run soak -- sessions [--real 20000] [--logical 1000000] [--seconds 300]
npm run soak -- determinism [--peers 200] [--minutes 10] [--seed 1]

  flood        a hub with 20 peers at 100 Hz is flooded with hellos, forged and replayed packets over loopback;
               exits 1 when those peers notice
  sessions     sessions on real sockets to one hub, and in one table, and the memory that each takes; 0 leaves one out
  determinism  a fleet at 5 updates a second on the simulated network, twice from one seed; exits 1 when the two runs
               differ in a byte, or take more than 30 seconds together
`

const roles: { readonly [role: string]: () => void } = {
  "flood-hub": floodRoles.hub,
  "flood-peers": floodRoles.peers,
  flooder: floodRoles.flooder,
  "session-hub": sessionRoles.sessionHub,
  "session-clients": sessionRoles.sessionClients,
  "session-table": sessionRoles.logicalSessions
}

const numberOf = (text: string | undefined, fallback: number, name: string): number => {
  const value = text === undefined ? fallback : Number(text.replaceAll(/[,_]/g, ""))
  if (!(value >= 0)) throw new RangeError(`--${name} is ${text}, but must be a number from 0`)
  return value
}

const main = async (): Promise<number> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      role: { type: "string" },
      seconds: { type: "string" },
      rate: { type: "string" },
      real: { type: "string" },
      logical: { type: "string" },
      peers: { type: "string" },
      minutes: { type: "string" },
      seed: { type: "string" },
      help: { type: "boolean", short: "h" }
    }
  })
  if (values.role !== undefined) {
    roles[values.role]()
    return 0
  }
  switch (values.help ? "help" : positionals[0]) {
    case "flood": {
      const options = {
        seconds: numberOf(values.seconds, 10, "seconds"),
        rate: numberOf(values.rate, 50_000, "rate")
      }
      return await flood(options) ? 0 : 1
    }
    case "sessions": {
      const options = {
        real: numberOf(values.real, 20_000, "real"),
        logical: numberOf(values.logical, 1_000_000, "logical"),
        seconds: numberOf(values.seconds, 300, "seconds")
      }
      return await sessions(options) ? 0 : 1
    }
    case "determinism": {
      const options = {
        peers: numberOf(values.peers, 200, "peers"),
        minutes: numberOf(values.minutes, 10, "minutes"),
        seed: numberOf(values.seed, 1, "seed")
      }
      return await determinism(options) ? 0 : 1
    }
    default:
      console.log(help)
      return values.help ? 0 : 1
  }
}

process.exitCode = await main()
