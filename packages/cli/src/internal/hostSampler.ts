import * as Os from "node:os"
import type { Telemetry } from "../Telemetry.js"

/** The system's own counters move every 10 ms, and reading them costs about 0.3 ms. */
const INTERVAL = 100

/** Fills in what this process and its host report: the process at each call, the host ten times a second. */
export class HostSampler {
  private sampledAt = -Infinity
  private busy = 0
  private all = 0

  sample(it: Telemetry, now: number): void {
    if (now - this.sampledAt >= INTERVAL) {
      this.sampledAt = now
      this.sampleHost(it)
    }
    const used = process.cpuUsage()
    it.userMicros = used.user
    it.systemMicros = used.system
  }

  private sampleHost(it: Telemetry): void {
    const cpus = Os.cpus()
    let busy = 0
    let all = 0
    for (const { times } of cpus) {
      const working = times.user + times.nice + times.sys + times.irq
      busy += working
      all += working + times.idle
    }
    if (all > this.all) it.cpu = (busy - this.busy) / (all - this.all)
    this.busy = busy
    this.all = all
    const [load1, load5, load15] = Os.loadavg()
    it.cpus = cpus.length
    it.load1 = load1
    it.load5 = load5
    it.load15 = load15
    it.freeMemory = Os.freemem()
    it.totalMemory = Os.totalmem()
    it.rss = process.memoryUsage.rss()
    it.uptime = Os.uptime()
  }
}
