import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { IntentraError } from "../src/index.js"
import type { TransportEvent } from "../src/index.js"
import { arbitrate } from "../src/internal/shardIdentities.js"
import { identityPlace } from "../src/internal/shardLink.js"
import type { ShardLink } from "../src/internal/shardLink.js"
import { IDENTITIES, PEER_NUMBERS } from "../src/internal/shardMessages.js"
import type { ToWorker } from "../src/internal/shardMessages.js"
import { ShardPeer } from "../src/internal/shardPeer.js"
import { ShardSessions } from "../src/internal/shardSessions.js"

const OURS = new Uint8Array(32).fill(100)
const SMALLER = new Uint8Array(32).fill(99)
const GREATER = new Uint8Array(32).fill(101)
const address = { host: "127.0.0.1", port: 1 }

/** The sessions of three workers that only note down what they are asked. */
class World {
  readonly identities = new Int32Array(IDENTITIES)
  readonly posted: Array<ToWorker & { readonly to: number }> = []
  readonly events: Array<TransportEvent> = []
  readonly links = [0, 1, 2].map((index) => ({
    index,
    peers: new Int32Array(100 * PEER_NUMBERS),
    byNumber: new Map<number, ShardPeer>()
  } as unknown as ShardLink))
  readonly sessions: ShardSessions
  private nextNumber = 1

  constructor(sameIdentity: "replace" | "allow" | "reject" = "replace", maxSessions = 100) {
    this.sessions = new ShardSessions(
      { sameIdentity, maxSessions },
      this.identities,
      (link, message) => this.posted.push({ ...message, to: link.index }),
      (event) => this.events.push(event)
    )
    this.sessions.publicKey = OURS
  }

  add(worker: number, publicKey: Uint8Array, initiator = false, since = 0): number {
    const peer = this.nextNumber++
    const introduction = { peer, slot: peer, id: `id ${peer}`, publicKey, initiator, address }
    this.sessions.add(new ShardPeer(undefined as never, this.links[worker], introduction, since))
    return peer
  }

  get tags() {
    return this.events.map(({ _tag }) => _tag)
  }
}

describe("two sessions of one identity in two workers", () => {
  it.prop(
    "when both ends connected at once, both keep the session that the smaller key began, in whatever order each saw them",
    [fc.boolean(), fc.boolean(), fc.boolean(), fc.double({ min: 0, max: 4_999, noNaN: true })],
    ([aIsSmaller, firstAtA, firstAtB, after]) => {
      // which of the two sessions an end keeps: the one that it began itself, or the other
      const keepsOwn = (isSmaller: boolean, ownFirst: boolean) => {
        const older = { initiator: ownFirst, since: 0 }
        const newer = { initiator: !ownFirst, since: after }
        const outcome = arbitrate(older, newer, isSmaller, "replace")
        assert.include(["continue", "yield"], outcome)
        return (outcome === "continue" ? newer : older).initiator
      }
      assert.strictEqual(keepsOwn(aIsSmaller, firstAtA), aIsSmaller)
      assert.notStrictEqual(keepsOwn(aIsSmaller, firstAtA), keepsOwn(!aIsSmaller, firstAtB))
    }
  )

  const cases = [
    ["replace", false, false, 0, "replace"],
    ["replace", false, false, 60_000, "replace"],
    ["replace", true, false, 5_000, "replace"],
    ["replace", true, true, 0, "replace"],
    ["reject", false, false, 0, "refuse"],
    ["reject", true, false, 5_000, "refuse"],
    ["reject", false, true, 5_000, "both"],
    ["allow", false, false, 0, "both"],
    ["allow", true, false, 0, "both"]
  ] as const
  for (const [sameIdentity, older, newer, after, outcome] of cases) {
    const begun = (initiator: boolean) => initiator ? "ours" : "theirs"
    it(`${sameIdentity}: ${begun(older)}, then ${begun(newer)} after ${after} ms: ${outcome}`, () => {
      for (const isSmaller of [true, false]) {
        const claims = [{ initiator: older, since: 0 }, { initiator: newer, since: after }] as const
        assert.strictEqual(arbitrate(...claims, isSmaller, sameIdentity), outcome)
      }
    })
  }
})

describe("the sessions of all workers", () => {
  it("the newer of an identity replaces the older in another worker, and the handle of the older says so at once", () => {
    const world = new World()
    const first = world.add(0, SMALLER)
    const [older] = world.sessions.active
    world.add(1, SMALLER)
    assert.strictEqual(older.closeReason, "Replaced")
    assert.deepStrictEqual(world.posted, [{ type: "close", peer: first, reason: "Replaced", to: 0 }])
    assert.strictEqual(world.sessions.active.size, 1)
    assert.strictEqual(world.sessions.find(SMALLER)?.link.index, 1)
    assert.deepStrictEqual(world.tags, ["PeerConnected", "PeerConnected"])
    world.sessions.announce(older, false, "", 0)
    world.sessions.announce(older, false, "", 0)
    assert.deepStrictEqual(world.tags, ["PeerConnected", "PeerConnected", "PeerClosed"])
  })

  it("a worker that replaces its own session is left to it", () => {
    const world = new World()
    world.add(0, SMALLER)
    const [older] = world.sessions.active
    world.sessions.retire(older, "Replaced")
    world.add(0, SMALLER)
    assert.deepStrictEqual(world.posted, [])
    assert.strictEqual(world.sessions.active.size, 1)
  })

  it("where only one is allowed, the newer is closed and never shown", () => {
    const world = new World("reject")
    world.add(0, SMALLER)
    const second = world.add(1, SMALLER)
    assert.deepStrictEqual(world.posted, [{ type: "close", peer: second, reason: "LimitExceeded", to: 1 }])
    assert.deepStrictEqual(world.tags, ["PeerConnected"])
    assert.isFalse(world.links[1].byNumber.has(second))
  })

  it("where several are allowed, all stay, and the newest that is left goes on to be known", () => {
    const world = new World("allow")
    for (const worker of [0, 1, 2]) world.add(worker, SMALLER)
    assert.deepStrictEqual([world.sessions.active.size, world.posted.length], [3, 0])
    const [first, , third] = world.sessions.active
    world.sessions.retire(third, "PeerClosed")
    world.sessions.retire(first, "PeerClosed")
    assert.strictEqual(world.sessions.active.size, 1)
    assert.strictEqual(world.identities[identityPlace("cc")], 1)
  })

  it("above the limit, newcomers are closed; an identity that has a session may always come anew", () => {
    const world = new World("replace", 2)
    world.add(0, SMALLER)
    world.add(1, GREATER)
    const third = world.add(2, new Uint8Array(32).fill(7))
    assert.deepStrictEqual(world.posted, [{ type: "close", peer: third, reason: "LimitExceeded", to: 2 }])
    world.add(2, SMALLER)
    assert.strictEqual(world.sessions.active.size, 2)
    assert.strictEqual(world.sessions.find(SMALLER)?.link.index, 2)
  })

  for (const [whose, publicKey, oursStays] of [["ours", GREATER, true], ["theirs", SMALLER, false]] as const) {
    it(`both ends connect at once and ${whose} is the smaller key: one handle is left, and whoever waited has it`, () => {
      for (const oursFirst of [true, false]) {
        const world = new World()
        const won: Array<ShardPeer> = []
        const waiting = { onConnected: (peer: ShardPeer) => won.push(peer), onFailed: () => assert.fail("it failed") }
        world.sessions.connect(70, world.links[0], new Uint8Array(24), publicKey, false, waiting)
        const join = (ours: boolean) => {
          const number = world.add(ours ? 0 : 1, publicKey, ours)
          if (ours) world.sessions.connected(70, world.links[0].byNumber.get(number))
        }
        join(oursFirst)
        // theirs stands as soon as it is there, and our handshake is given up
        if (oursFirst || oursStays) join(!oursFirst)
        assert.strictEqual(world.sessions.active.size, 1)
        const [left] = world.sessions.active
        assert.deepStrictEqual(won, [left])
        assert.deepStrictEqual([left.link.index, left.closeReason], [oursStays ? 0 : 1, undefined])
        assert.strictEqual(world.sessions.connecting, 0)
        assert.isFalse(world.tags.includes("PeerClosed"))
      }
    })
  }

  it("a session that became active when its caller had lost interest is closed; one that somebody holds is not", () => {
    const world = new World()
    const waiting = { onConnected: () => assert.fail("cancelled"), onFailed: () => assert.fail("cancelled") }
    for (const held of [false, true]) {
      const cancel = world.sessions.connect(1, world.links[0], new Uint8Array(24), undefined, false, waiting)
      cancel()
      const number = world.add(0, held ? SMALLER : GREATER, true)
      const peer = world.links[0].byNumber.get(number)
      if (peer !== undefined && held) peer.holders++
      world.sessions.connected(1, peer)
      assert.strictEqual(peer?.closeReason, held ? undefined : "LocalClosed")
    }
  })

  it("a session that its caller was told of, and lost interest in before taking it, is closed", () => {
    const world = new World()
    for (const held of [false, true]) {
      const told: Array<ShardPeer> = []
      const waiting = { onConnected: (peer: ShardPeer) => told.push(peer), onFailed: () => assert.fail("it failed") }
      const cancel = world.sessions.connect(1, world.links[0], new Uint8Array(24), undefined, false, waiting)
      const number = world.add(0, held ? SMALLER : GREATER, true)
      world.sessions.connected(1, world.links[0].byNumber.get(number))
      const [peer] = told
      // what `connect` does for a scope
      if (held) peer.holders++
      cancel()
      assert.strictEqual(peer.closeReason, held ? undefined : "LocalClosed")
    }
  })

  it("the end fails everybody who waits, once", () => {
    const world = new World()
    const failed: Array<string> = []
    const waiting = {
      onConnected: () => assert.fail("it is over"),
      onFailed: (error: IntentraError) => failed.push(error.reason)
    }
    for (const id of [1, 2]) world.sessions.connect(id, world.links[0], new Uint8Array(24), undefined, false, waiting)
    world.sessions.cancelAll(new IntentraError({ reason: "TransportClosed", detail: "over" }))
    world.sessions.refused(1, new IntentraError({ reason: "HandshakeTimeout", detail: "late" }))
    assert.deepStrictEqual(failed, ["TransportClosed", "TransportClosed"])
  })

  it.prop(
    "the table that workers look into has every identity with a session, and nothing when all have ended",
    [fc.array(fc.record({ worker: fc.nat(2), key: fc.nat(5), ends: fc.boolean() }), { maxLength: 60 })],
    ([steps]) => {
      const world = new World("replace", 4)
      for (const { ends, key, worker } of steps) {
        const publicKey = new Uint8Array(32).fill(key)
        const present = world.sessions.find(publicKey)
        if (!ends) world.add(worker, publicKey)
        else if (present !== undefined) world.sessions.close(present, "LocalClosed")
        for (const peer of world.sessions.active) {
          assert.isAbove(world.identities[identityPlace(String.fromCharCode(peer.publicKey[0], peer.publicKey[1]))], 0)
        }
      }
      for (const peer of world.sessions.active) world.sessions.close(peer, "LocalClosed")
      assert.isTrue(world.identities.every((count) => count === 0))
    }
  )
})
