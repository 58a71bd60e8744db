/** What a process of a scenario can be. */
import type * as Blaster from "./roles/blaster.js"
import type * as Cipher from "./roles/cipher.js"
import type * as Handshaker from "./roles/handshaker.js"
import type * as Idler from "./roles/idler.js"
import type * as Pinger from "./roles/pinger.js"
import type * as Ponger from "./roles/ponger.js"
import type * as RawReceiver from "./roles/rawReceiver.js"
import type * as RawSender from "./roles/rawSender.js"
import type * as Receiver from "./roles/receiver.js"
import type * as Sender from "./roles/sender.js"

/** The questions that each role answers. */
export interface Roles {
  readonly blaster: ReturnType<typeof Blaster.make>
  readonly cipher: ReturnType<typeof Cipher.make>
  readonly handshaker: ReturnType<typeof Handshaker.make>
  readonly idler: ReturnType<typeof Idler.make>
  readonly pinger: ReturnType<typeof Pinger.make>
  readonly ponger: ReturnType<typeof Ponger.make>
  readonly rawReceiver: ReturnType<typeof RawReceiver.make>
  readonly rawSender: ReturnType<typeof RawSender.make>
  readonly receiver: ReturnType<typeof Receiver.make>
  readonly sender: ReturnType<typeof Sender.make>
}

/** A role's module is loaded by the process that plays it, and by no other. */
export const roles: { readonly [Role in keyof Roles]: () => Promise<Roles[Role]> } = {
  blaster: async () => (await import("./roles/blaster.js")).make(),
  cipher: async () => (await import("./roles/cipher.js")).make(),
  handshaker: async () => (await import("./roles/handshaker.js")).make(),
  idler: async () => (await import("./roles/idler.js")).make(),
  pinger: async () => (await import("./roles/pinger.js")).make(),
  ponger: async () => (await import("./roles/ponger.js")).make(),
  rawReceiver: async () => (await import("./roles/rawReceiver.js")).make(),
  rawSender: async () => (await import("./roles/rawSender.js")).make(),
  receiver: async () => (await import("./roles/receiver.js")).make(),
  sender: async () => (await import("./roles/sender.js")).make()
}
