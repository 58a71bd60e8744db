import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { stripVTControlCharacters } from "node:util"
import { lineOf, program } from "../src/internal/process.js"

describe("intentra", () => {
  it.live.each(["demo", "keygen", "hub", "peer", "send", "listen", "top", "doctor", "sim", "replay", "bench"])(
    "the help of %s has its usage, examples and --json",
    (command) =>
      Effect.gen(function*() {
        const written: Array<string> = []
        yield* program("0.0.0", [command, "--help"], (text) => written.push(stripVTControlCharacters(text)))
        const [help] = written
        assert.match(help, new RegExp(`USAGE\\s+\\$ intentra ${command} `))
        assert.match(help, new RegExp(`EXAMPLES\\s+\\$ .*intentra ${command}`))
        assert.include(help, "--json")
      })
  )

  it.live.each(["bash", "zsh", "fish"])(
    "--completions %s knows every command and its options",
    (shell) =>
      Effect.gen(function*() {
        const written: Array<string> = []
        yield* program("0.0.0", ["--completions", shell], (text) => written.push(text))
        for (const word of ["demo", "hub", "send", "listen", "top", "doctor", "sim", "replay", "bench", "server-key"]) {
          assert.include(written.join("\n"), word)
        }
      })
  )

  it.live.each<readonly [ReadonlyArray<string>, RegExp]>([
    [["demo", "--nope"], /'--nope'/],
    [["nope"], /Invalid subcommand for intentra - use one of 'demo'/],
    [["demo", "--peers", "0"], /^--peers is 0, but must be from 1 to 256$/],
    [["demo", "--hz", "fast"], /^--hz is fast, but must be a number /],
    [["demo", "--peers=1.5"], /^--peers is 1\.5, but must be an integer /],
    [["demo", "--hz", "x", "--duration", "x"], /'x' is not a float/],
    [
      ["peer", "--connect", "127.0.0.1:9", "--intent", "foo"],
      /^--intent is foo, but must be one of realtime, sequenced, reliable /
    ],
    [["hub"], /^--allow is missing: who may join, .* It may also be INTENTRA_ALLOW, or "allow" in the --config file$/],
    [["listen"], /^--allow is missing/],
    [["peer"], /^--connect is missing/],
    [["keygen", "--nope"], /^there is no option '--nope' here; if it is meant as FILE, write -- and a space before it/],
    [["keygen", "-x"], /^there is no option '-x' here/],
    [["keygen", "-"], /^there is no option '-' here/],
    [["replay", "--bogus"], /^there is no option '--bogus' here/],
    [["sim", "--bogus"], /^there is no option '--bogus' here/],
    [["send", "--connect", "127.0.0.1:9", "--bogus"], /^there is no option '--bogus' here; if it is meant as MESSAGE/],
    [["send", "--", "--bogus"], /^--connect is missing/],
    [["replay", "--", "-no-such.tape"], /-no-such\.tape/],
    [["send", "x", "--connect", "127.0.0.1:9"], /^--server-key is missing/],
    [["send", "x", "--timeout", "0"], /^--timeout is 0, but must be from 0\.1 to 3600$/],
    [["hub", "--allow", "any", "--listen", "here"], /^--listen is "here", but must be HOST:PORT/],
    [["hub", "--allow", "/no/such.keys"], /^cannot read the allow-list \/no\/such\.keys: no such file or folder/],
    [["hub", "--allow", "any", "--key", "/no/such.key"], /^cannot read the key file \/no\/such\.key: no such file/],
    [["peer", "--connect", "127.0.0.1:9", "--server-key", "x"], /^--server-key must be 32 bytes in base64/],
    [["keygen", "/no/such/folder/a.key"], /^cannot write the key file \/no\/such\/folder\/a\.key: no such file/]
  ])("%j fails with one line that says what is wrong", ([args, line]) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(program("0.0.0", args, () => {}))
      assert.isTrue(Exit.isFailure(exit))
      if (Exit.isFailure(exit)) {
        assert.match(lineOf(exit.cause), line)
        assert.notInclude(lineOf(exit.cause), "\n")
      }
    }))
})
