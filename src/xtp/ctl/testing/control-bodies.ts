// Bodies that the tests of ControlSession send, and what breaks the rules.
import assert from 'node:assert/strict'
import * as errors from '../errors.ts'
import { encodeFrame } from '../frame-codec.ts'
import type { EventBody, ReplyBody, RequestBody } from '../messages.ts'
import type { Frame } from '../proto/xtp-ctl.js'
import { concat } from './bytes.ts'
import type { ControlEnd } from './control-end.ts'

export const ADDR = Uint8Array.of(4, 127, 0, 0, 1)
export const dial = (connId = 1): RequestBody => ({ dial: { connId, addr: ADDR } })
export const connected = (connId = 1): ReplyBody => ({
  connected: { connId, localAddr: ADDR, remoteAddr: ADDR }
})
export const closed: EventBody = {
  closed: {
    connId: 1,
    status: { code: 23, message: '', errno: '', retryable: false },
    bytesIn: 1n,
    bytesOut: 2n
  }
}

/** Feeds what breaks the rules; checks that the session is dead afterwards. */
export function violates(end: ControlEnd, pattern: RegExp, ...frames: Array<Partial<Frame>>): void {
  const before = end.events.length + end.handled.length
  const behind = encodeFrame({ log: { level: 0, scope: 's', message: 'm' } })
  const bytes = concat([...frames.map(frame => encodeFrame(frame)), behind])
  assert.throws(
    () => end.session.receive(bytes),
    (err: unknown) => err instanceof errors.ProtocolViolationError && pattern.test(err.message)
  )
  assert.equal(end.session.state, 'closed')
  end.session.receive(behind)
  assert.equal(end.events.length + end.handled.length, before, 'nothing is processed any more')
}
