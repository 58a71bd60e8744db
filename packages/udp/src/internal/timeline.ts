import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Scheduler from "effect/Scheduler"
import type { Alarm, EventLoop } from "../EventLoop.js"
import { EventHeap, type Scheduled } from "./eventHeap.js"
import { Fifo } from "./fifo.js"

/** Events and turns at one instant above this mean that time will never move on. */
const MAX_PER_INSTANT = 1_000_000

/** After so many events the host's event loop turns once, so that the process stays alive to it. */
const SLICE = 20_000

/** After so many tasks outside of a run the host's event loop turns once. */
const HOST_TASKS = 2_048

const ALREADY_ADVANCING =
  "the network is being advanced already: a fiber or handler inside the simulation waits with Effect.sleep instead"

// Taken now: test tools replace the global ones by fakes.
const hostTurn = setImmediate

class VirtualAlarm implements Alarm, Scheduled {
  at = 0
  order = 0
  index = -1

  constructor(private readonly timeline: Timeline, readonly fire: () => void) {}

  set(atMs: number): void {
    if (atMs < Infinity) this.timeline.schedule(this, atMs)
    else this.clear()
  }

  clear(): void {
    this.timeline.cancel(this)
  }
}

class Sleep implements Scheduled {
  at = 0
  order = 0
  index = -1

  constructor(
    private readonly timeline: Timeline,
    private readonly foreign: boolean,
    private readonly resume: (effect: Effect.Effect<void>) => void
  ) {}

  fire(): void {
    // A fiber of another scheduler goes on only when the host's loop turns.
    if (this.foreign) this.timeline.hostIsNeeded = true
    this.resume(Effect.void)
  }
}

class VirtualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  constructor(private readonly timeline: Timeline) {}

  unsafeCurrentTimeMillis(): number {
    return Math.floor(this.timeline.time)
  }

  unsafeCurrentTimeNanos(): bigint {
    const millis = Math.floor(this.timeline.time)
    return BigInt(millis) * 1_000_000n + BigInt(Math.floor((this.timeline.time - millis) * 1e6))
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (!(millis > 0)) return Effect.yieldNow()
    if (millis === Infinity) return Effect.never
    return Effect.withFiberRuntime((fiber) =>
      Effect.async<void>((resume) => {
        const foreign = fiber.getFiberRef(FiberRef.currentScheduler) !== this.timeline.scheduler
        const sleep = new Sleep(this.timeline, foreign, resume)
        this.timeline.schedule(sleep, this.timeline.time + millis)
        return Effect.sync(() => this.timeline.cancel(sleep))
      })
    )
  }
}

/**
 * Virtual time: one heap of events for packets, alarms and sleeping fibers, and one queue for the tasks of fibers. After
 * every event the deferred callbacks and all runnable fibers run dry, so what happens next never depends on the host.
 *
 * @internal
 */
export class Timeline implements EventLoop {
  /** Milliseconds since the start. */
  time = 0
  hostIsNeeded = false
  readonly clock: Clock.Clock
  readonly scheduler: Scheduler.Scheduler

  private readonly heap = new EventHeap()
  private order = 0
  private readonly deferred = new Fifo<() => void>()
  private readonly tasks = new Fifo<Scheduler.Task>()
  /** Tasks of a priority other than 0, by priority. */
  private readonly otherTasks = new Scheduler.PriorityBuckets()
  private running = false
  private advancing = false
  private hostDrainAsked = false
  private atThisInstant = 0

  constructor() {
    this.clock = new VirtualClock(this)
    this.scheduler = Scheduler.make((task, priority) => this.addTask(task, priority))
  }

  /** How many events wait. */
  get size(): number {
    return this.heap.size
  }

  now(): number {
    return this.time
  }

  makeAlarm(callback: () => void): Alarm {
    return new VirtualAlarm(this, callback)
  }

  defer(callback: () => void): void {
    this.deferred.push(callback)
  }

  soon(callback: () => void): void {
    this.deferred.push(callback)
  }

  /** Puts or moves an event; one in the past happens now, after those that were already due. */
  schedule(item: Scheduled, at: number): void {
    item.at = at > this.time ? at : this.time
    item.order = ++this.order
    this.heap.put(item)
  }

  cancel(item: Scheduled): void {
    this.heap.remove(item)
  }

  /**
   * Runs what is due up to `until`. Returns false when it stopped early to let the host's loop turn: after `limit`
   * events, or because a fiber of another scheduler was woken.
   */
  run(until: number, limit: number): boolean {
    if (!(until < Infinity)) throw new Error("virtual time advances by a finite number of milliseconds only")
    if (this.running) throw new Error(ALREADY_ADVANCING)
    this.running = true
    this.hostIsNeeded = false
    this.atThisInstant = 0
    try {
      this.settle()
      let left = limit
      for (;;) {
        if (this.hostIsNeeded) return false
        const next = this.heap.peek()
        if (next === undefined || next.at > until) break
        if (left-- === 0) return false
        if (next.at > this.time) {
          this.time = next.at
          this.atThisInstant = 0
        }
        this.heap.pop()
        this.countTurn()
        next.fire()
        this.settle()
      }
      if (until > this.time) {
        this.time = until
        this.atThisInstant = 0
      }
      return true
    } finally {
      this.running = false
    }
  }

  /** Runs up to `millis` from now, with turns of the host's loop before, after and now and then. */
  advance(millis: number): Effect.Effect<void> {
    return Effect.async((resume) => {
      if (this.advancing || this.running) return resume(Effect.die(new Error(ALREADY_ADVANCING)))
      this.advancing = true
      const until = this.time + millis
      let cancelled = false
      const done = (result: Effect.Effect<void>): void => {
        if (cancelled) return
        this.advancing = false
        resume(result)
      }
      const slice = (): void => {
        if (cancelled) return
        try {
          if (this.run(until, SLICE)) hostTurn(() => done(Effect.void))
          else hostTurn(slice)
        } catch (defect) {
          done(Effect.die(defect))
        }
      }
      hostTurn(slice)
      return Effect.sync(() => {
        cancelled = true
        this.advancing = false
      })
    })
  }

  private countTurn(): void {
    if (++this.atThisInstant > MAX_PER_INSTANT) {
      throw new Error(
        `more than ${MAX_PER_INSTANT} events at ${this.time} ms: something repeats without time passing ` +
          "(an alarm set to now, an answer to every datagram at latency 0, a fiber that only yields)"
      )
    }
  }

  /** Runs fibers and deferred callbacks until there are none. */
  private settle(): void {
    for (;;) {
      if (this.runTask()) this.countTurn()
      else {
        const callback = this.deferred.shift()
        if (callback === undefined) return
        this.countTurn()
        callback()
      }
    }
  }

  private addTask(task: Scheduler.Task, priority: number): void {
    if (priority === 0) this.tasks.push(task)
    else this.otherTasks.scheduleTask(task, priority)
    // Outside of a run fibers go on as they do without a simulation: soon.
    if (!this.running && !this.hostDrainAsked) {
      this.hostDrainAsked = true
      queueMicrotask(this.hostDrain)
    }
  }

  private readonly hostDrain = (): void => {
    this.hostDrainAsked = false
    let left = HOST_TASKS
    while (this.runTask()) {
      if (--left === 0) {
        this.hostDrainAsked = true
        hostTurn(this.hostDrain)
        return
      }
    }
  }

  private runTask(): boolean {
    const task = this.takeOther(-1) ?? this.tasks.shift() ?? this.takeOther(Infinity)
    if (task === undefined) return false
    task()
    return true
  }

  /** The next task of the lowest priority number up to `highest`. */
  private takeOther(highest: number): Scheduler.Task | undefined {
    const { buckets } = this.otherTasks
    if (buckets.length === 0) return undefined
    const [priority, tasks] = buckets[0]
    if (priority > highest) return undefined
    if (tasks.length === 1) buckets.shift()
    return tasks.shift()
  }
}
