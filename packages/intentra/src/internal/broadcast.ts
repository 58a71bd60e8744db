import * as Effect from "effect/Effect"
import type { IntentraShape } from "../Intentra.js"
import type { Peer } from "../Peer.js"
import * as SendResult from "../SendResult.js"
import { withSendOptions } from "./withSendOptions.js"

/** `broadcast` of a transport that has these peers. */
export const broadcastTo = (peers: () => Iterable<Peer>): IntentraShape["broadcast"] => (payload, options) =>
  withSendOptions(payload, options, (checked) => {
    const refused: Array<{ peer: Peer; result: SendResult.SendResult }> = []
    let accepted = 0
    for (const peer of peers()) {
      const result = peer.unsafeSend(payload, checked)
      if (result === SendResult.ACCEPTED) accepted++
      else refused.push({ peer, result })
    }
    return Effect.succeed({ accepted, refused })
  })
