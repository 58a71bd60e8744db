/**
 * The command line of the `intentra` program.
 *
 * @since 0.1.0
 */
import { watchOutput } from "./internal/output.js"

const help = `intentra: encrypted real-time UDP, fresh updates between many peers over one socket

USAGE
  intentra <command> [options]

COMMANDS
  demo            a hub and peer processes on this machine, live, with a summary
  keygen [FILE]   a new static key: the secret half in FILE, the public half printed
  hub             takes updates from many peers; serves a live page and /metrics if asked to
  peer            sends each line of its input to a hub as one update
  send [MESSAGE]  sends one message, or each line of its input, and says whether it arrived
  listen          prints every message that arrives
  top             what a running hub does, live in the terminal
  doctor          what this machine lacks, and how to mend it
  sim SCENARIO    a fleet on a simulated network, in virtual time, the same on every run
  replay FILE     runs a recorded transport again and compares what it sends
  bench           measures the transport, in a clone of the repository
  <command> --help tells the options of a command, with examples. All take --json.

EXAMPLES
  Watch it work:
    intentra demo

  Two keys, a hub that admits the second, and one update:
    intentra keygen hub.key
    intentra keygen peer.key > allowed.keys
    intentra hub --key hub.key --allow allowed.keys --print
    date | intentra peer --connect 127.0.0.1:9000 --server-key HUB_PUBLIC_KEY --key peer.key

OPTIONS
  -h, --help                     this text
  --version                      the version
  --completions bash|zsh|fish    a completion script for a shell
`

/**
 * Runs the command line of this process and ends the process: 0 for success, 1 for a failure, which is told in one line
 * on standard error, 128 and the signal's number when a signal ended a command that it does not end in good order.
 *
 * @since 0.1.0
 * @category constructors
 */
export const main = async (version: string): Promise<void> => {
  watchOutput()
  const [first] = process.argv.slice(2)
  if (first === undefined || first === "--help" || first === "-h") {
    process.stdout.write(help)
  } else if (first === "--version") {
    process.stdout.write(`${version}\n`)
  } else {
    // loaded now, so that the texts above come at once
    const { runProcess } = await import("./internal/process.js")
    runProcess(version)
  }
}
