/** Holds sessions that say nothing. Started with `--expose-gc`. */
import { HUB } from "../limits.js"
import { connect, listening, open } from "../transport.js"
import type { Joining, Listening, Opened } from "../transport.js"
import { memory } from "../usage.js"
import type { Memory } from "../usage.js"

/** They stay alive though nobody speaks. */
const IDLE = { idleTimeout: "1 hour", keepalive: "30 minutes", handshakeTimeout: "30 seconds" } as const

export const make = () => {
  let it: Opened
  return {
    listen: async (): Promise<Listening> => {
      it = await open({ ...HUB, ...IDLE })
      return listening(it.transport)
    },
    join: (joining: Joining): Promise<number> => connect({ ...joining, options: IDLE }, () => {}),
    state: async (): Promise<Memory & { readonly sessions: number }> => ({
      sessions: it.transport.counters.sessionsActive,
      ...await memory()
    })
  }
}
