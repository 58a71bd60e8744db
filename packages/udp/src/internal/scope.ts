import { networkInterfaces } from "node:os"

/** How long, in milliseconds, the list of interfaces is trusted when a name is not in it. */
const REFRESH_MS = 1_000

let ids = new Map<string, number>()
let names = new Map<number, string>()
let loadedAt = -Infinity

const load = (): void => {
  const now = performance.now()
  if (now - loadedAt < REFRESH_MS) return
  loadedAt = now
  ids = new Map()
  names = new Map()
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (address.family === "IPv6" && address.scopeid !== 0) {
        ids.set(name, address.scopeid)
        names.set(address.scopeid, name)
      }
    }
  }
}

/**
 * The scope id of a local interface, 0 when there is none of that name.
 *
 * @internal
 */
export const idOf = (name: string): number => {
  const known = ids.get(name)
  if (known !== undefined) return known
  load()
  return ids.get(name) ?? 0
}

/**
 * The name of the local interface with that scope id, its number as text when there is none: libuv resolves names on
 * Unix and numbers on Windows.
 *
 * @internal
 */
export const nameOf = (id: number): string => {
  if (process.platform === "win32") return String(id)
  const known = names.get(id)
  if (known !== undefined) return known
  load()
  return names.get(id) ?? String(id)
}
