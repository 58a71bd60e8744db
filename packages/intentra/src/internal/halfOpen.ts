import type { HandshakeState } from "@intentra/noise"
import { NOISE_MESSAGE } from "./handshakeMessages.js"
import type { Endpoint, Session } from "./session.js"
import { HALF_OPEN } from "./session.js"
import type { TransportParameters } from "./transportParameters.js"

/** Enough of message 3 to know its repeats: the sealed static key. */
const MESSAGE_3_MARK = 48

/** Somebody's handshake, past the cookie and not finished. */
export class HalfOpen implements Endpoint {
  timerAt = 0
  timerIndex = -1
  state = HALF_OPEN
  /** XX: the session that waits for the authorizer's verdict. IK: the one that waits for its first packet. */
  session: Session | undefined = undefined
  /** The authorizer has been asked and has not answered. */
  undecided = false
  /** Stored for repeats; in IK only after the verdict. */
  message2: Uint8Array | undefined = undefined
  /** IK: what the initiator says of itself in its first message. */
  parameters: TransportParameters | undefined = undefined
  timestamp = 0

  constructor(
    readonly connId: number,
    readonly remoteConnId: number,
    readonly slot: number,
    /** What its echo is known by. */
    readonly key: string,
    readonly addressId: number,
    readonly noise: HandshakeState,
    /** IK: complete with message 2. */
    readonly quick: boolean
  ) {}
}

/** What a session remembers of the message 3 that made it. */
export const markMessage3 = (session: Session, arena: Uint8Array, offset: number): void => {
  session.message3 = arena.slice(offset + NOISE_MESSAGE, offset + NOISE_MESSAGE + MESSAGE_3_MARK)
}

/** Whether a datagram is the message 3 that made this session. */
export const isMessage3Of = ({ message3 }: Session, arena: Uint8Array, offset: number, length: number): boolean => {
  if (message3 === undefined || length < NOISE_MESSAGE + message3.length) return false
  for (let i = 0; i < message3.length; i++) if (message3[i] !== arena[offset + NOISE_MESSAGE + i]) return false
  return true
}
