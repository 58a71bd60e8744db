/** Attacks that go on for hours of virtual time. */
import { assert } from "@effect/vitest"
import * as CloseReason from "../../../src/CloseReason.js"
import * as DropReason from "../../../src/DropReason.js"
import * as Frame from "../../../src/Frame.js"
import { SendOptions } from "../../../src/SendOptions.js"
import { ACCEPTED } from "../../../src/SendResult.js"
import { ALICE, bytesOf, connected, flipped, packet, seal, STRANGER } from "../simulation.js"
import type { World } from "../simulation.js"
import { connIdOf, genuine, masked, send, strangerIn, times, zeros } from "./attack.js"
import type { Attack } from "./attack.js"

const HOUR = 3_600_000
const RELIABLE = SendOptions.make({ intent: "Reliable" })

/** Every `interval` milliseconds for so long. */
const over = (world: World, duration: number, interval: number, act: (i: number) => void): void =>
  times(duration / interval, (i) => {
    act(i)
    world.simulation.advance(interval)
  })

/** Both clients' sessions have lasted from the beginning, through every change of keys. */
const assertLasted = ({ alice, bob, hub }: World): void => {
  for (const client of [alice, bob]) {
    assert.deepStrictEqual(client.events.filter(({ _tag }) => _tag !== "Rekeyed").map(({ _tag }) => _tag), [
      "PeerConnected"
    ])
    assert.isUndefined(client.peerOf(hub).closeReason)
  }
  assert.strictEqual(hub.counters.handshakes, 2)
}

const lasting = (
  name: string,
  drops: Attack["drops"],
  prepare: (world: World) => () => void,
  options: Partial<Attack> = {}
): Attack => ({
  name,
  who: "time",
  drops,
  moves: "any",
  prepare: (world) => {
    const act = prepare(world)
    return () => {
      act()
      assertLasted(world)
    }
  },
  ...options
})

export const soak: ReadonlyArray<Attack> = [
  lasting(
    "an hour of forged packets, one a second, closes nothing and leaves nothing",
    { AuthFailed: 3600 },
    (world) => () =>
      over(world, HOUR, 1000, (i) =>
        send(
          world,
          i % 2 === 0 ? ALICE : STRANGER,
          packet(connIdOf(world), {
            seq: 1_000_000 + i,
            epoch: world.hub.sessionWith(world.alice).epoch
          })
        ))
  ),
  lasting("an hour of one packet again and again is an hour of drops, and no key takes it", "checked", (world) => {
    const bytes = genuine(world)
    send(world, ALICE, bytes)
    return () => {
      const { hub } = world
      const before = hub.counters.drops.slice()
      const heard = hub.inbox.length
      over(world, HOUR, 1000, () => send(world, ALICE, bytes))
      const moved = (reason: DropReason.DropReason): number =>
        hub.counters.dropped(reason) - before[DropReason.code[reason]]
      // of the four epochs one comes round again, with another key
      const refused = moved("Replayed") + moved("AuthFailed")
      assert.strictEqual(refused + moved("UnknownEpoch"), 3600)
      assert.isAbove(refused, 500)
      assert.isAbove(moved("UnknownEpoch"), 1000)
      assert.strictEqual(hub.inbox.length, heard)
    }
  }),
  lasting("an hour of hellos from one address is an hour of challenges, and nothing is held", {}, (world) => {
    const { hello } = strangerIn(world)
    return () => {
      const { challenges } = world.hub.counters
      over(world, HOUR, 1000, () => send(world, STRANGER, hello))
      assert.strictEqual(world.hub.counters.challenges - challenges, 3600)
    }
  }),
  lasting(
    "a minute of handshakes that are begun and left, ten a second, hold five seconds' worth of them",
    {},
    (world) => () => {
      let most = 0
      over(world, 60_000, 100, (i) => {
        const one = strangerIn(world, 1000 + i, `172.16.${i & 255}.${1 + (i >> 8)}:5000`)
        one.say(one.echo())
        most = Math.max(most, world.hub.core.services.gate.admission.inFlight)
      })
      assert.isAtMost(most, 52)
      world.simulation.advance(16_000)
    }
  ),
  lasting(
    "an hour of a malformed packet a second strikes 3,600 times and closes nothing",
    { MalformedFrame: 3600 },
    (world) => () =>
      over(
        world,
        HOUR,
        1000,
        () => send(world, ALICE, seal(world.alice.sessionWith(world.hub), zeros(Frame.PING, 3), { type: 3 }))
      )
  ),
  lasting(
    "an hour of rekeys with a forged request before each changes every key and closes nothing",
    {},
    (world) => () => {
      const { rekeys } = world.hub.counters
      over(world, HOUR, 60_000, () => {
        const body = Uint8Array.from([
          1,
          (world.hub.sessionWith(world.alice).epoch + 1) & 3,
          ...new Uint8Array(48).fill(3)
        ])
        send(
          world,
          ALICE,
          seal(world.alice.sessionWith(world.hub), Frame.encodeAll([{ type: Frame.REKEY, body }]), { type: 3 })
        )
      })
      assert.isAtLeast(world.hub.counters.rekeys - rekeys, 2 * 30)
    }
  ),
  lasting("an hour of changed copies of every packet delivers every message once", "checked", (world) => () => {
    const { alice, hub, simulation } = world
    const untap = simulation.network.tap(({ bytes, from, kind }) => {
      if (kind === "sent" && from === ALICE) {
        simulation.inject(ALICE, hub.address, flipped(bytes, bytes.length * 8 - 1), 1)
      }
    })
    const before = hub.inbox.length
    over(world, HOUR, 2000, (i) => alice.send(hub, `${i}`))
    untap()
    simulation.advance(100)
    const heard = hub.inbox.slice(before).map(({ text }) => text)
    assert.deepStrictEqual(heard, Array.from({ length: HOUR / 2000 }, (_, i) => `${i}`))
    assert.isAtLeast(hub.counters.dropped("AuthFailed"), HOUR / 2000)
  }),
  lasting(
    "an hour of Reliable through loss, doubling and strangers' bytes arrives whole and in order",
    "checked",
    (world) => () => {
      const { alice, hub, simulation } = world
      simulation.network.unsafeConfigure({ loss: 0.1, duplicate: 0.1, reorder: 0.1 })
      const before = hub.inbox.length
      over(world, HOUR, 1000, (i) => {
        assert.strictEqual(alice.peerOf(hub).unsafeSend(bytesOf(`${i}`), RELIABLE), ACCEPTED)
        send(world, STRANGER, packet(connIdOf(world), { seq: i }))
      })
      simulation.network.unsafeConfigure({ loss: 0, duplicate: 0, reorder: 0 })
      simulation.advance(20_000)
      const heard = hub.inbox.slice(before).map(({ text }) => text)
      assert.deepStrictEqual(heard, Array.from({ length: 3600 }, (_, i) => `${i}`))
      // the strangers' 3,600, less those that the weather took and more those that it doubled
      const refused = ["AuthFailed", "Replayed", "UnknownEpoch"] as const
      assert.isAbove(refused.reduce((sum, reason) => sum + hub.counters.dropped(reason), 0), 3000)
    }
  ),
  lasting("a day without a word keeps both sessions, under seven hundred keys", {}, (world) => () => {
    world.simulation.advance(24 * HOUR)
    assert.isAbove(world.hub.counters.rekeys, 2 * 700)
  }),
  lasting("an hour of claims to have moved, from a new address each second, moves nobody", {}, (world) => () => {
    over(world, HOUR, 1000, (i) => send(world, `10.9.${i >> 8}.${i & 255}:1`, genuine(world, `${i}`)))
    world.simulation.advance(3000)
    assert.strictEqual(world.hub.counters.moves, 0)
  }),
  {
    name: "three hundred sessions that come and go leave nothing behind",
    who: "time",
    drops: { UnknownConnection: 600 },
    moves: "any",
    prepare: (world) => () => {
      const { hub, simulation } = world
      const carol = simulation.station("10.0.0.5", 5)
      times(300, () => {
        const peer = connected(carol, hub)
        carol.hub.close(peer.session, "LocalClosed")
        simulation.advance(200)
      })
      simulation.advance(11_000)
    }
  },
  {
    name: "a hundred processes with one client's key, one after the other, leave one session of it",
    who: "time",
    drops: "checked",
    moves: "any",
    prepare: (world) => () => {
      const { alice, hub, simulation } = world
      times(100, () => {
        const before = hub.counters.handshakes
        const again = simulation.station("10.0.0.6", 2)
        connected(again, hub)
        assert.strictEqual(hub.counters.handshakes, before + 1)
        again.crash()
        simulation.advance(1000)
      })
      // the first one comes back to its place
      connected(alice, hub)
      simulation.advance(45_000)
      assert.strictEqual(hub.counters.closes[CloseReason.toCode("Replaced")], 101)
    }
  },
  lasting(
    "a hello with one bit changed, ten thousand times, gets no answer and leaves nothing",
    { BadMac1: 10_000 },
    (world) => {
      const { hello } = strangerIn(world)
      return () => over(world, 100_000, 10, (i) => send(world, STRANGER, masked(hello, 20 + (i % 20), 1 << (i % 8))))
    }
  )
]
