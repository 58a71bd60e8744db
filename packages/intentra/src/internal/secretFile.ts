/** Files that hold key material: readable by their owner only, from the moment they exist. */
import * as Fs from "node:fs"

const OWNER_ONLY = 0o600
/** 0 where a system does not know it. */
const NO_FOLLOW: number = Fs.constants.O_NOFOLLOW ?? 0

/** A file that is readable by others, or is no file; `message` says which. */
class Exposed extends Error {
  override readonly name = "Exposed"
}

/** Makes a file that must not exist yet; returns its descriptor, throws what the system says. */
export const create = (path: string): number => Fs.openSync(path, "wx", OWNER_ONLY)

/** Opens a file to append to, made when it is missing; one that others may read or write is refused. */
export const append = (path: string): number => {
  const { O_APPEND, O_CREAT, O_WRONLY } = Fs.constants
  const descriptor = Fs.openSync(path, O_WRONLY | O_APPEND | O_CREAT | NO_FOLLOW, OWNER_ONLY)
  const stat = Fs.fstatSync(descriptor)
  // Windows has no such bits
  const shared = process.platform === "win32" ? 0 : stat.mode & 0o077
  if (stat.isFile() && shared === 0) return descriptor
  Fs.closeSync(descriptor)
  throw new Exposed(
    stat.isFile() ? `it has mode 0${(stat.mode & 0o777).toString(8)}, but must have 0600` : "it is no regular file"
  )
}

/** What a system's error says, in words where they are known. */
export const explain = (error: unknown): string => {
  if (error instanceof Exposed) return error.message
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error)
  switch (code) {
    case "EEXIST":
      return "it exists"
    case "ENOENT":
      return "no such file or folder"
    case "EACCES":
    case "EPERM":
    case "ERR_ACCESS_DENIED":
      return "permission denied"
    case "EISDIR":
      return "it is a folder"
    case "ELOOP":
      return "it is a symbolic link"
    case "ENOSPC":
      return "no space left"
    case "EROFS":
      return "the file system is read-only"
    default:
      return code
  }
}

/** Whether the system says that the file exists. */
export const isTaken = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "EEXIST"
