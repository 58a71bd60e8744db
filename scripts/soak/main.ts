/** `npm run soak`: what the tests of a few seconds cannot show. */
import { parseArgs } from "node:util"
import { flood } from "./flood.js"
import * as floodRoles from "./floodRoles.js"

const help = `npm run soak -- flood [--seconds 10] [--rate 50000]

  flood     a hub with 20 peers at 100 Hz is flooded with hellos, forged and replayed packets over loopback
`

const roles: { readonly [role: string]: () => void } = {
  "flood-hub": floodRoles.hub,
  "flood-peers": floodRoles.peers,
  flooder: floodRoles.flooder
}

const numberOf = (text: string | undefined, fallback: number, name: string): number => {
  const value = text === undefined ? fallback : Number(text.replaceAll(/[,_]/g, ""))
  if (!(value > 0)) throw new RangeError(`--${name} is ${text}, but must be a number above 0`)
  return value
}

const main = async (): Promise<number> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      role: { type: "string" },
      seconds: { type: "string" },
      rate: { type: "string" },
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
    default:
      console.log(help)
      return values.help ? 0 : 1
  }
}

process.exitCode = await main()
