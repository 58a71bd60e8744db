#!/usr/bin/env node
import { existsSync, readFileSync } from "node:fs"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
const built = new URL("../dist/Main.js", import.meta.url)

// INTENTRA_SOURCE, for those who work on the sources: a build may be older than they are
if (existsSync(built) && !process.env.INTENTRA_SOURCE) {
  const { main } = await import(built.href)
  await main(version)
} else {
  // a clone without a build
  const { register } = await import("tsx/esm/api")
  register()
  const { main } = await import("../src/Main.ts")
  await main(version)
}
