// One ControlSession under test: what it sends is kept, what it reports is recorded, and requests of
// the other end wait until the test answers them.
import { type ControlInit, ControlSession, type RequestContext } from '../control.ts'
import { encodeFrame, FrameDecoder } from '../frame-codec.ts'
import type { EventBody, ReplyBody, RequestBody, Role } from '../messages.ts'
import type { Frame, Hello } from '../proto/xtp-ctl.js'
import type { ManualClock } from './manual-clock.ts'

export interface Handled {
  body: RequestBody
  ctx: RequestContext
  resolve(reply: ReplyBody): void
  reject(err: unknown): void
}

export const HELLO: Hello = {
  implementation: 'test/1.0.0',
  features: [],
  options: [],
  transports: [],
  pid: 0
}

export class ControlEnd {
  readonly session: ControlSession
  /** Bytes that were sent and not taken by the test. */
  sent: Uint8Array[] = []
  readonly events: EventBody[] = []
  readonly handled: Handled[] = []
  readonly late: Array<[RequestBody, ReplyBody]> = []

  constructor(role: Role, clock: ManualClock, init: Partial<ControlInit> = {}) {
    this.session = new ControlSession({
      role,
      clock,
      send: bytes => this.sent.push(bytes),
      onRequest: (body, ctx) =>
        new Promise((resolve, reject) => this.handled.push({ body, ctx, resolve, reject })),
      onEvent: body => this.events.push(body),
      onLateReply: (body, reply) => this.late.push([body, reply]),
      ...init
    })
  }

  /** The frames sent since the last call. */
  take(): Frame[] {
    const decoder = new FrameDecoder()
    return this.sent.splice(0).flatMap(bytes => decoder.push(bytes))
  }

  /** Feeds frames, as the other end would send them. */
  feed(...frames: Array<Partial<Frame>>): void {
    for (const frame of frames) this.session.receive(encodeFrame(frame))
  }
}

/** Lets promise reactions run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

/** A client that has been told that the service is ready. */
export async function readyClient(
  clock: ManualClock,
  init: Partial<ControlInit> = {},
  hello: Partial<Hello> = {}
): Promise<ControlEnd> {
  const end = new ControlEnd('client', clock, init)
  const reply = end.session.request({ hello: HELLO })
  end.feed({ id: 1, reply: true, hello: { ...HELLO, ...hello } })
  await reply
  end.sent.length = 0
  return end
}

/** A service that has answered Hello. */
export async function readyService(
  clock: ManualClock,
  init: Partial<ControlInit> = {}
): Promise<ControlEnd> {
  const end = new ControlEnd('service', clock, init)
  end.feed({ id: 1, hello: HELLO })
  end.handled.shift()?.resolve({ hello: HELLO })
  await settle()
  end.sent.length = 0
  return end
}
