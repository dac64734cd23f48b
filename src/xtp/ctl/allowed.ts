// Which message may travel now: one table for both ends and both directions (spec/xtp-ctl.md, section
// Allowed messages). Whoever sends checks it, and whoever receives checks it again.
import type { BodyKind, EventKind, ReplyKind, RequestKind, Role } from './messages.ts'

/**
 * `new`: before the answer to Hello. `ready`: everything. `draining`: Drain or Shutdown was sent
 * (client) or received (service). `closed`: nothing.
 */
export type SessionState = 'new' | 'ready' | 'draining' | 'closed'

export interface RequestRule {
  from: Role
  states: readonly SessionState[]
  /** Body of a successful answer; null: none. */
  reply: ReplyKind | null
}

export interface EventRule {
  from: readonly Role[]
  states: readonly SessionState[]
}

const OPEN: readonly SessionState[] = ['ready', 'draining']

export const REQUEST_RULES: Readonly<Record<RequestKind, RequestRule>> = {
  hello: { from: 'client', states: ['new'], reply: 'hello' },
  listen: { from: 'client', states: ['ready'], reply: 'listening' },
  unlisten: { from: 'client', states: OPEN, reply: null },
  dial: { from: 'client', states: ['ready'], reply: 'connected' },
  close: { from: 'client', states: OPEN, reply: null },
  ping: { from: 'client', states: OPEN, reply: 'ping' },
  stats: { from: 'client', states: OPEN, reply: 'statsResult' },
  drain: { from: 'client', states: OPEN, reply: null },
  shutdown: { from: 'client', states: OPEN, reply: null },
  // Once, between Hello and its answer: the session counts.
  sign: { from: 'service', states: ['new'], reply: 'signed' }
}

export const EVENT_RULES: Readonly<Record<EventKind, EventRule>> = {
  // A client may give up its Hello.
  cancel: { from: ['client', 'service'], states: ['new', 'ready', 'draining'] },
  accept: { from: ['client'], states: OPEN },
  // An Incoming may be under way when Drain is sent.
  incoming: { from: ['service'], states: OPEN },
  refused: { from: ['service'], states: OPEN },
  closed: { from: ['service'], states: OPEN },
  addrs: { from: ['service'], states: OPEN },
  log: { from: ['service'], states: OPEN }
}

/** `kind` undefined: a body that this version does not know. */
export function mayRequest(
  kind: BodyKind | undefined,
  sender: Role,
  state: SessionState
): kind is RequestKind | undefined {
  if (kind == null) return OPEN.includes(state)
  const rule = (REQUEST_RULES as Partial<Record<BodyKind, RequestRule>>)[kind]
  return rule != null && rule.from === sender && rule.states.includes(state)
}

/** `kind` undefined: a body that this version does not know. */
export function maySendEvent(
  kind: BodyKind | undefined,
  sender: Role,
  state: SessionState
): kind is EventKind | undefined {
  if (kind == null) return OPEN.includes(state)
  const rule = (EVENT_RULES as Partial<Record<BodyKind, EventRule>>)[kind]
  return rule?.from.includes(sender) === true && rule.states.includes(state)
}

/**
 * Whether `body` (undefined: none) may answer a request of kind `request` with status `code`. Which
 * request is answered is known from its id, so the state does not matter here.
 */
export function mayReply(request: RequestKind, code: number, body: BodyKind | undefined): boolean {
  const expected = code === 0 ? REQUEST_RULES[request].reply : null
  return (body ?? null) === expected
}
