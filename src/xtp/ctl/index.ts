/**
 * xtp-ctl, the protocol between a client (the application's process) and a service (the process that
 * holds a transport): codec and state machines without I/O. Runs wherever JavaScript runs: nothing
 * here knows node, and time comes from the caller. The protocol itself is in spec/xtp-ctl.md.
 */
export {
  EVENT_RULES,
  type EventRule,
  mayReply,
  mayRequest,
  maySendEvent,
  REQUEST_RULES,
  type RequestRule,
  type SessionState
} from './allowed.ts'
export type { Clock } from './clock.ts'
export {
  type ControlInit,
  ControlSession,
  type RequestContext,
  type RequestOptions
} from './control.ts'
export * from './errors.ts'
export { encodeFrame, FrameDecoder } from './frame-codec.ts'
export * from './limits.ts'
export * from './messages.ts'
export type { ByteList } from './mux/byte-list.ts'
export * from './mux/frame.ts'
export { Mux, type MuxInit, type MuxSink } from './mux/mux.ts'
export {
  MuxStream,
  type MuxStreamHandler,
  type MuxWriteResult
} from './mux/stream.ts'
export { decodeStreamHeader, encodeStreamHeader } from './mux/stream-header.ts'
export {
  Negotiation,
  type NegotiationInit,
  type NegotiationResult
} from './negotiate.ts'
export {
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
  Limits,
  Listen,
  Listening,
  Log,
  Option,
  Ping,
  Refused,
  Shutdown,
  Sign,
  Signed,
  Stat,
  Stats,
  StatsResult,
  Status,
  StreamHeader,
  Transport,
  Unlisten
} from './proto/xtp-ctl.js'
export * from './status.ts'
