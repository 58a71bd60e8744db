import { LinuxSocket } from "@intentra/ffi"
import * as Dgram from "node:dgram"
import { closeSync, openSync } from "node:fs"
import { constants } from "node:os"
import { handleOf } from "./dgramHandle.js"

const { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } = LinuxSocket

const NOT_CONNECTED = -constants.errno.ENOTCONN

/**
 * Hears the bell before `node:dgram` makes an error of it, which takes it some 6 us. What libuv calls belongs to a handle
 * that dgram keeps to itself: where it is not found, the error will do.
 */
const quicken = (bell: Dgram.Socket, onRing: () => void): void => {
  const handle = handleOf(bell)
  if (handle === undefined) return
  const { onmessage } = handle
  handle.onmessage = function(result, ...rest) {
    if (result === NOT_CONNECTED) onRing()
    else onmessage.call(this, result, ...rest)
  }
}

/**
 * Tells on Node's event loop when a socket has something to read, and reads nothing of it. What libuv reads by itself
 * would come without control data, up to 32 messages a turn whether somebody has time for them or not.
 *
 * libuv watches file descriptors by `epoll(7)`, which remembers the open file and the number that it was given under. So
 * the socket is adopted by `node:dgram`; as soon as libuv watches it, that number is made another file, from which nothing
 * can ever be read. The socket itself stays open under a second number and stays watched. When it has something to read,
 * libuv reads from the other file and hears that it is not connected: that is the bell.
 *
 * @internal
 */
export class Doorbell {
  private readonly bell: Dgram.Socket

  /** Throws what the system says. */
  static make(sockets: LinuxSocket.LinuxSockets, ipv6: boolean, onRing: () => void, onDead: (cause: unknown) => void) {
    const adopted = sockets.socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM)
    let fd = -1
    try {
      // a number that Node knows is closed with its thread, however that ends
      fd = openSync("/dev/null", "r")
      sockets.dup3(adopted, fd)
      return new Doorbell(sockets, adopted, fd, ipv6, onRing, onDead)
    } catch (cause) {
      if (fd >= 0) closeSync(fd)
      sockets.close(adopted)
      throw cause
    }
  }

  private constructor(
    private readonly sockets: LinuxSocket.LinuxSockets,
    private readonly adopted: number,
    /** The socket, not bound yet. */
    readonly fd: number,
    ipv6: boolean,
    onRing: () => void,
    onDead: (cause: unknown) => void
  ) {
    this.bell = Dgram.createSocket(ipv6 ? "udp6" : "udp4")
    this.bell.on("error", (cause) => {
      if ("code" in cause && cause.code === "ENOTCONN") onRing()
      else onDead(cause)
    })
    this.bell.bind({ fd: adopted, exclusive: true })
    quicken(this.bell, onRing)
  }

  /** Calls back when the socket can be bound: before that, libuv would read. */
  whenWatched(done: (error: unknown) => void): void {
    // libuv begins to watch when it waits for events the next time, which is certain to lie between two of these
    setImmediate(() =>
      setImmediate(() => {
        try {
          const mute = this.sockets.socket(AF_INET, SOCK_STREAM)
          try {
            this.sockets.dup3(mute, this.adopted)
          } finally {
            this.sockets.close(mute)
          }
          done(undefined)
        } catch (cause) {
          done(cause)
        }
      })
    )
  }

  close(done: () => void): void {
    // the socket first, so that nothing is watched any more under a number that another file may get
    closeSync(this.fd)
    try {
      this.bell.close(() => {
        this.bell.removeAllListeners()
        this.bell.on("error", () => {})
        done()
      })
    } catch {
      done()
    }
  }
}
