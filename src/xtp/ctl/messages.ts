// Bodies of control frames: which there are, and what kind a frame carries.
import type {
  Accept,
  Addrs,
  Cancel,
  Close,
  Closed,
  Connected,
  Dial,
  Drain,
  Frame,
  Hello,
  Incoming,
  Listen,
  Listening,
  Log,
  Ping,
  Refused,
  Shutdown,
  Sign,
  Signed,
  Stats,
  StatsResult,
  Unlisten
} from './proto/xtp-ctl.js'

export type Role = 'client' | 'service'

export type RequestBody =
  | { hello: Hello }
  | { listen: Listen }
  | { unlisten: Unlisten }
  | { dial: Dial }
  | { close: Close }
  | { ping: Ping }
  | { stats: Stats }
  | { drain: Drain }
  | { shutdown: Shutdown }
  | { sign: Sign }

/** `{}` answers what has nothing to report: unlisten, close, drain, shutdown. */
export type ReplyBody = {
  hello?: Hello
  listening?: Listening
  connected?: Connected
  ping?: Ping
  statsResult?: StatsResult
  signed?: Signed
}

export type EventBody =
  | { accept: Accept }
  | { incoming: Incoming }
  | { refused: Refused }
  | { closed: Closed }
  | { addrs: Addrs }
  | { log: Log }

/** Sent by the session itself, for requests that their sender gave up. */
export type CancelBody = { cancel: Cancel }

type KeysOf<T> = T extends unknown ? keyof T : never
export type RequestKind = KeysOf<RequestBody>
export type ReplyKind = keyof ReplyBody
export type EventKind = KeysOf<EventBody> | 'cancel'
export type BodyKind = RequestKind | ReplyKind | EventKind

/** Every body, in the order of their field numbers. */
export const BODY_KINDS: readonly BodyKind[] = [
  'hello',
  'listen',
  'listening',
  'unlisten',
  'dial',
  'connected',
  'close',
  'ping',
  'stats',
  'statsResult',
  'sign',
  'signed',
  'drain',
  'shutdown',
  'cancel',
  'accept',
  'incoming',
  'refused',
  'closed',
  'addrs',
  'log'
]

/** The bodies that a frame carries: none, one, or, against the rules, several. */
export function bodyKinds(frame: Partial<Frame>): BodyKind[] {
  return BODY_KINDS.filter(kind => frame[kind] != null)
}
