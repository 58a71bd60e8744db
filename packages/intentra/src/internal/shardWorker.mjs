// Where a worker thread begins: a thread cannot be started from TypeScript.
import { existsSync } from "node:fs"

const built = new URL("./shardWorkerMain.js", import.meta.url)

if (existsSync(built)) {
  await import(built.href)
} else {
  // a clone without a build
  const { register } = await import("tsx/esm/api")
  register()
  await import("./shardWorkerMain.ts")
}
