/** Handshakes that are begun to cost the hub something. */
import { ALICE, keyOf, publicKeyOf, STRANGER } from "../simulation.js"
import type { World } from "../simulation.js"
import type { Stranger } from "../stranger.js"
import { masked, send, strangerIn, times } from "./attack.js"
import type { Attack } from "./attack.js"

/** An address in a network of its own. */
const far = (i: number): string => `172.16.${i}.1:5000`

/** Strangers with their echoes: past the hello, not yet past the cookie. */
const echoing = (world: World, count: number, addressOf: (i: number) => string = far) =>
  Array.from({ length: count }, (_, i) => {
    const one = strangerIn(world, 1000 + i, addressOf(i))
    return { address: one.address, echo: one.echo() }
  })

/** So many half-open handshakes, each from a network of its own. */
const occupy = (world: World, count: number, addressOf: (i: number) => string = far): ReadonlyArray<Stranger> =>
  Array.from({ length: count }, (_, i) => {
    const one = strangerIn(world, 5000 + i, addressOf(i))
    one.say(one.echo())
    return one
  })

const echo = (
  name: string,
  drops: Attack["drops"],
  make: (world: World) => { readonly address: string; readonly bytes: Uint8Array },
  options: Partial<Attack> = {}
): Attack => ({
  name,
  drops,
  prepare: (world) => {
    const { address, bytes } = make(world)
    return () => send(world, address, bytes)
  },
  ...options
})

const HALF_OPEN = { connections: 1, addresses: 1, timers: 1, inFlight: 1 }

const cookies: ReadonlyArray<Attack> = [
  echo("an echo without a cookie costs nothing", { BadCookie: 1 }, (world) => ({
    address: STRANGER,
    bytes: strangerIn(world).echo(new Uint8Array(16))
  })),
  echo("a cookie is for one address", { BadCookie: 1 }, (world) => ({
    address: "10.9.9.8:4242",
    bytes: strangerIn(world).echo()
  })),
  echo("a cookie is for one port", { BadCookie: 1 }, (world) => ({
    address: "10.9.9.9:4243",
    bytes: strangerIn(world).echo()
  })),
  echo("a cookie is for one hello", { BadCookie: 1 }, (world) => ({
    address: STRANGER,
    bytes: strangerIn(world, 7).echo(strangerIn(world, 8).cookie())
  })),
  echo("a cookie of ten seconds ago is none", { BadCookie: 1 }, (world) => {
    const bytes = strangerIn(world).echo()
    world.simulation.advance(10_000)
    return { address: STRANGER, bytes }
  }),
  echo("a cookie of the window before is one", {}, (world) => {
    const bytes = strangerIn(world).echo()
    world.simulation.advance(4900)
    return { address: STRANGER, bytes }
  }, { moves: { accepted: 1 }, holds: HALF_OPEN }),
  echo("a cookie of another hub is none", { BadCookie: 1 }, (world) => {
    const other = world.simulation.station("10.0.0.8", 1, { allow: "any" })
    const one = strangerIn({ ...world, hub: other })
    return { address: STRANGER, bytes: one.echo() }
  }),
  echo("a cookie from before the hub was restarted is none", { BadCookie: 1 }, (world) => {
    const before = world.simulation.station("10.0.0.8", 1, { allow: "any" })
    const one = strangerIn({ ...world, hub: before })
    const bytes = one.echo()
    before.crash()
    return { address: STRANGER, bytes }
  }),
  {
    name: "a thousand echoes with made-up cookies hold nothing",
    drops: { BadCookie: 1000 },
    prepare: (world) => {
      const bytes = strangerIn(world).echo(new Uint8Array(16).fill(3))
      return () => times(1000, (i) => send(world, far(i % 200), bytes))
    }
  },
  {
    name: "a thousand hellos from a thousand addresses hold nothing",
    drops: {},
    moves: { accepted: 1000, challenges: 1000 },
    prepare: (world) => {
      const { hello } = strangerIn(world)
      return () =>
        times(1000, (i) => {
          send(world, `172.17.${i >> 8}.${i & 255}:5000`, hello)
          if (i % 50 === 49) world.simulation.advance(0.01)
        })
    }
  }
]

const repeats: ReadonlyArray<Attack> = [
  {
    name: "fifty copies of an echo begin one handshake, and draw message 2 once each",
    drops: {},
    moves: { accepted: 50 },
    holds: HALF_OPEN,
    prepare: (world) => {
      const bytes = strangerIn(world).echo()
      return () => times(50, () => send(world, STRANGER, bytes))
    }
  },
  {
    name: "an echo with a newer cookie begins no second handshake",
    drops: {},
    moves: { accepted: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      one.open()
      world.simulation.advance(4900)
      const bytes = one.echo()
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "the echo of a handshake that timed out is not taken up again",
    drops: { HandshakeRepeated: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const bytes = one.echo()
      one.say(bytes)
      world.simulation.advance(4000)
      const again = one.echo()
      world.simulation.advance(1100)
      return () => send(world, STRANGER, again)
    }
  },
  {
    name: "a message 3 that is repeated makes one session, and is answered every 50 ms",
    drops: { WrongState: 8 },
    moves: { accepted: 2, handshakes: 1 },
    holds: { identities: 1, inFlight: -1, remembered: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open())
      return () => times(10, () => send(world, STRANGER, bytes))
    }
  },
  {
    name: "a thousand changed copies of message 3 end no handshake, and no more are read in a turn than it computes",
    drops: { HandshakeForged: 32, HandshakeBudget: 68 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open())
      const forged = masked(bytes, 40, 1)
      return () => times(100, () => send(world, STRANGER, forged))
    }
  },
  {
    name: "message 3 from another address ends no handshake and proves nothing",
    drops: { HandshakeUnexpected: 3 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open())
      return () => times(3, (i) => send(world, `10.9.9.9:${5000 + i}`, bytes))
    }
  }
]

const SLOTS = { hub: { gate: { inFlight: 10 } } }

const slots: ReadonlyArray<Attack> = [
  {
    name: "a turn computes for eight echoes, and the others come again",
    drops: { HandshakeBudget: 32 },
    moves: { accepted: 8 },
    holds: { connections: 8, addresses: 8, timers: 8, inFlight: 8 },
    prepare: (world) => {
      const all = echoing(world, 40)
      return () => {
        for (const one of all) send(world, one.address, one.echo)
      }
    }
  },
  {
    name: "when all slots are taken a newcomer takes the oldest's place, and no more are held",
    world: SLOTS,
    drops: {},
    moves: { accepted: 3, evicted: 3 },
    prepare: (world) => {
      occupy(world, 10)
      const all = echoing(world, 3, (i) => `172.20.${i}.1:5000`)
      return () => {
        for (const one of all) send(world, one.address, one.echo)
      }
    }
  },
  {
    name: "one source holds five of the slots while half of them are taken",
    world: SLOTS,
    drops: { HandshakeSourceLimited: 2 },
    prepare: (world) => {
      occupy(world, 5, (i) => `10.9.9.9:${2000 + i}`)
      const all = echoing(world, 2, (i) => `10.9.9.9:${3000 + i}`)
      return () => {
        for (const one of all) send(world, one.address, one.echo)
      }
    }
  },
  {
    name: "the ports of an IPv4 address are one source",
    world: SLOTS,
    drops: { HandshakeSourceLimited: 1 },
    prepare: (world) => {
      occupy(world, 5, (i) => `10.9.9.9:${1 + i * 1000}`)
      const [one] = echoing(world, 1, () => "10.9.9.9:65535")
      return () => send(world, one.address, one.echo)
    }
  },
  {
    name: "a source that leaves handshakes again and again is limited by rate when half of the slots are taken",
    world: SLOTS,
    drops: { HandshakeRateLimited: 2 },
    moves: { accepted: 1 },
    holds: HALF_OPEN,
    prepare: (world) => {
      occupy(world, 5, (i) => `172.18.${i}.1:5000`)
      // five of a burst, each of them ended at once by its message 3
      for (let i = 0; i < 5; i++) {
        const one = strangerIn(world, 7000 + i, `10.9.9.9:${2000 + i}`, 50 + i)
        one.say(one.message3(one.open()).bytes)
      }
      // one more of twenty a second has become free when they come
      const all = echoing(world, 3, (i) => `10.9.9.9:${3000 + i}`)
      return () => {
        for (const one of all) send(world, one.address, one.echo)
      }
    }
  },
  {
    name: "another source gets in beside one that has all it may have",
    world: SLOTS,
    drops: { HandshakeSourceLimited: 1 },
    moves: { accepted: 1 },
    holds: HALF_OPEN,
    prepare: (world) => {
      occupy(world, 5, (i) => `10.9.9.9:${2000 + i}`)
      const [one] = echoing(world, 1, () => "10.9.9.9:3000")
      const [other] = echoing(world, 1, () => "172.20.1.1:5000")
      return () => {
        send(world, one.address, one.echo)
        send(world, other.address, other.echo)
      }
    }
  },
  {
    name: "half-open handshakes of five seconds ago hold nothing",
    drops: {},
    moves: { accepted: 1 },
    holds: HALF_OPEN,
    prepare: (world) => {
      occupy(world, 40)
      world.simulation.advance(5100)
      const bytes = strangerIn(world).echo()
      return () => send(world, STRANGER, bytes)
    }
  }
]

const refused: ReadonlyArray<Attack> = [
  {
    name: "a key that is not on the list gets a CLOSE and no session",
    world: { hub: { allow: [2, 3].map((n) => Buffer.from(publicKeyOf(n)).toString("base64")) } },
    drops: { Unauthorized: 1 },
    holds: { inFlight: -1, remembered: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open())
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "with the hub's own key nobody gets in",
    drops: { Unauthorized: 1 },
    holds: { inFlight: -1, remembered: 1 },
    prepare: (world) => {
      const one = strangerIn(world, 7, STRANGER, 1)
      const { bytes } = one.message3(one.open())
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "when the table is full a newcomer gets a CLOSE, and nobody makes room for it",
    world: { hub: { maxSessions: 2 } },
    drops: { SessionLimit: 1 },
    holds: { inFlight: -1, remembered: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open())
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "an identity that has a session is refused where the older one is to stay",
    world: { hub: { sameIdentity: "reject" } },
    drops: { SessionLimit: 1 },
    holds: { inFlight: -1, remembered: 1 },
    prepare: (world) => {
      const one = strangerIn(world, 7, STRANGER, 2)
      const { bytes } = one.message3(one.open())
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "message 3 with parameters that cannot be read ends its handshake",
    drops: { HandshakeMalformed: 1 },
    holds: { connections: -1, addresses: -1, timers: -1, inFlight: -1, remembered: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open(), Uint8Array.of(1, 200, 0))
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "in a network with a key, its hello under the right key and no more costs a challenge",
    world: { hub: { psk: keyOf(9) }, clients: { psk: keyOf(9) } },
    drops: {},
    moves: { accepted: 1, challenges: 1 },
    prepare: (world) => {
      const recorded = world.simulation.sent.find(({ bytes, from }) => from === ALICE && bytes[16] === 1)
      return () => send(world, STRANGER, recorded?.bytes ?? new Uint8Array(0))
    }
  }
]

export const handshakeDos: ReadonlyArray<Attack> = [...cookies, ...repeats, ...slots, ...refused]
