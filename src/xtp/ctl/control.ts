// One end of the control link, without I/O: matches answers to requests, enforces deadlines, and lets
// nothing pass that the table of allowed messages does not name (spec/xtp-ctl.md, section Sessions).
import { mayReply, mayRequest, maySendEvent, type SessionState } from './allowed.ts'
import { clipUtf8 } from './clip.ts'
import type { Clock } from './clock.ts'
import {
  CancelledError,
  DeadlineExceededError,
  errorFromStatus,
  InternalError,
  InvalidArgumentError,
  ProtocolViolationError,
  ResourceExhaustedError,
  ServiceLostError,
  statusFromError,
  UnavailableError,
  UnsupportedError
} from './errors.ts'
import { encodeFrame, FrameDecoder } from './frame-codec.ts'
import {
  DEADLINE_GRACE_MS,
  DEFAULT_TIMEOUT_MS,
  MAX_DEADLINE_MS,
  MAX_FRAME_BYTES,
  MAX_REQUESTS,
  MAX_UNREAD_REPLY_BYTES,
  MIN_FRAME_BYTES
} from './limits.ts'
import {
  type BodyKind,
  bodyKinds,
  type EventBody,
  type ReplyBody,
  type RequestBody,
  type RequestKind,
  type Role
} from './messages.ts'
import type { Frame, Hello } from './proto/xtp-ctl.js'
import { FIRST_LOCAL_STATUS, STATUS } from './status.ts'

export interface RequestContext {
  id: number
  /** Aborted when the request is cancelled, its deadline passes, or the session closes. */
  signal: AbortSignal
  /** What the requester allows, in milliseconds from receipt; undefined: it did not say. */
  deadlineMs?: number
}

export interface ControlInit {
  role: Role
  clock: Clock
  /** Writes to the link; a throw closes the session. */
  send(bytes: Uint8Array): void
  /**
   * Handles a request. What it throws becomes the status of the answer. Once `ctx.signal` is aborted
   * the answer has been sent already: what the handler still returns goes nowhere, so it must undo
   * what it did.
   */
  onRequest(body: RequestBody, ctx: RequestContext): Promise<ReplyBody>
  /** A throw is taken for a violation: the event was not acceptable. */
  onEvent(body: EventBody): void
  /** A request that was given up has succeeded all the same: undo it (close the connection). */
  onLateReply?(request: RequestBody, reply: ReplyBody): void
  /** Bytes that `send` could not pass on yet; guards against a peer that asks and never reads. */
  queuedBytes?(): number
  limits?: {
    /** Inbound requests in flight. Default and largest: 1024. */
    maxRequests?: number
    /** Default and largest: 65,536; smallest: 32,768. */
    maxFrameBytes?: number
  }
}

export interface RequestOptions {
  /**
   * Deadline that is sent along. The request fails locally one second later, for the responder's own
   * answer is better. Default 10,000; Infinity: none.
   */
  timeoutMs?: number
  signal?: AbortSignal
}

/** A request of this end. It stays known until it is answered, also when it was given up. */
interface Pending {
  kind: RequestKind
  body: RequestBody
  givenUp: boolean
  /** Stops the timer and forgets the signal. */
  stop(): void
  resolve(reply: ReplyBody): void
  reject(err: unknown): void
}

/** A request of the other end that has not been answered. */
interface Running {
  kind: RequestKind
  abort: AbortController
  stopTimer(): void
}

export class ControlSession {
  #init: ControlInit
  #maxRequests: number
  #maxFrameBytes: number
  #decoder: FrameDecoder
  #state: SessionState = 'new'
  #helloSeen = false
  #signSeen = false
  #remoteHello?: Hello
  #nextId = 1
  #pending = new Map<number, Pending>()
  #running = new Map<number, Running>()
  #closedWith?: unknown

  constructor(init: ControlInit) {
    const { maxRequests = MAX_REQUESTS, maxFrameBytes = MAX_FRAME_BYTES } = init.limits ?? {}
    if (!(maxRequests >= 1 && maxRequests <= MAX_REQUESTS)) {
      throw new InvalidArgumentError(`maxRequests is ${maxRequests}: allowed are 1 to 1024`)
    }
    if (!(maxFrameBytes >= MIN_FRAME_BYTES && maxFrameBytes <= MAX_FRAME_BYTES)) {
      throw new InvalidArgumentError(
        `maxFrameBytes is ${maxFrameBytes}: allowed are 32768 to 65536`
      )
    }
    this.#init = init
    this.#maxRequests = maxRequests
    this.#maxFrameBytes = maxFrameBytes
    // A client knows the service's limit from the answer to its Hello, and not before.
    this.#decoder = new FrameDecoder(init.role === 'client' ? maxFrameBytes : MAX_FRAME_BYTES)
  }

  get state(): SessionState {
    return this.#state
  }

  /** Client: set when the answer to Hello has come. Service: set when Hello has come. */
  get remoteHello(): Hello | undefined {
    return this.#remoteHello
  }

  /**
   * Takes bytes of the link in. Requests and events are delivered inside the call; an event behind an
   * answer in the same chunk is therefore delivered before the code that awaits the answer runs.
   *
   * @throws ProtocolViolationError after the session was closed with it. Nothing is processed
   * afterwards, in this chunk or in later ones.
   */
  receive(chunk: Uint8Array): void {
    if (this.#state === 'closed') return
    try {
      this.#decoder.append(chunk)
      while (this.#isOpen()) {
        const frame = this.#decoder.next()
        if (frame == null) return
        this.#onFrame(frame)
      }
    } catch (err) {
      const violation =
        err instanceof ProtocolViolationError
          ? err
          : new ProtocolViolationError(`a message was refused: ${messageOf(err)}`, { cause: err })
      this.close(violation)
      throw violation
    }
  }

  /**
   * Sends a request and waits for its answer.
   *
   * @throws XtpError of the answer's status; DeadlineExceededError; the signal's reason;
   * ResourceExhaustedError where too many are in flight; UnavailableError where the state forbids it;
   * what the session was closed with
   */
  request(body: RequestBody, options: RequestOptions = {}): Promise<ReplyBody> {
    return new Promise((resolve, reject) => {
      this.#request(body, options, resolve, reject)
    })
  }

  /**
   * Sends an event; does nothing once the session is closed.
   *
   * @throws InvalidArgumentError where the event is not allowed now or a field is outside its limits
   */
  event(body: EventBody): void {
    if (this.#state === 'closed') return
    const kind = onlyKind(body)
    if (!maySendEvent(kind, this.#init.role, this.#state)) {
      throw new InvalidArgumentError(
        `the ${this.#init.role} cannot send ${kind} while the session is ${this.#state}`
      )
    }
    this.#send(this.#encode('log' in body ? { log: clipLog(body.log) } : body))
  }

  /**
   * Ends the session: every request of this end fails with `err`, every handler is aborted. Sends
   * nothing. Later calls do nothing.
   */
  close(err?: Error): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    const reason = err ?? this.#defaultReason()
    this.#closedWith = reason
    const pending = [...this.#pending.values()]
    const running = [...this.#running.values()]
    this.#pending.clear()
    this.#running.clear()
    for (const request of pending) {
      request.stop()
      request.reject(reason)
    }
    for (const handler of running) {
      handler.stopTimer()
      handler.abort.abort(reason)
    }
  }

  #defaultReason(): Error {
    return this.#init.role === 'client'
      ? new ServiceLostError()
      : new CancelledError('the control link was closed')
  }

  // A method, so that no caller's narrowing survives a callback that closed the session.
  #isOpen(): boolean {
    return this.#state !== 'closed'
  }

  // ---- requests of this end ----

  #request(
    body: RequestBody,
    { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: RequestOptions,
    resolve: (reply: ReplyBody) => void,
    reject: (err: unknown) => void
  ): void {
    if (this.#state === 'closed') throw this.#closedWith
    signal?.throwIfAborted()
    if (!(timeoutMs > 0)) throw new InvalidArgumentError(`timeoutMs is ${timeoutMs}`)
    const kind = onlyKind(body)
    if (!mayRequest(kind, this.#init.role, this.#state) || kind == null) {
      throw new UnavailableError(`${kind}: not possible while the session is ${this.#state}`)
    }
    if (kind === 'hello' && this.#helloSeen) throw new UnavailableError('hello: was sent already')
    if (kind === 'sign' && !this.#maySign()) {
      throw new UnavailableError('sign: possible once, before Hello is answered')
    }
    if (this.#pending.size >= this.#remoteMaxRequests()) {
      throw new ResourceExhaustedError(
        `${kind}: ${this.#pending.size} requests are in flight, the other end takes no more`
      )
    }
    const id = this.#takeId()
    const deadlineMs =
      timeoutMs === Infinity ? 0 : Math.min(Math.max(1, Math.ceil(timeoutMs)), MAX_DEADLINE_MS)
    const bytes = this.#encode({ id, deadlineMs, ...this.#withOwnLimits(body) })
    if (kind === 'hello') this.#helloSeen = true
    if (kind === 'sign') this.#signSeen = true
    if (kind === 'drain' || kind === 'shutdown') this.#state = 'draining'

    const onAbort = (): void => this.#giveUp(id, signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const stopTimer =
      deadlineMs === 0
        ? undefined
        : this.#init.clock.setTimer(Math.min(deadlineMs + DEADLINE_GRACE_MS, MAX_DEADLINE_MS), () =>
            this.#giveUp(id, new DeadlineExceededError(`${kind}: no answer in ${deadlineMs} ms`))
          )
    const stop = (): void => {
      stopTimer?.()
      signal?.removeEventListener('abort', onAbort)
    }
    this.#pending.set(id, { kind, body, givenUp: false, stop, resolve, reject })
    this.#send(bytes)
  }

  #remoteMaxRequests(): number {
    return this.#remoteHello?.limits?.maxRequests || MAX_REQUESTS
  }

  #takeId(): number {
    for (;;) {
      const id = this.#nextId
      this.#nextId = id === 0xffff_ffff ? 1 : id + 1
      if (!this.#pending.has(id)) return id
    }
  }

  /** Fails a request here and now. Its id stays taken until the other end has answered. */
  #giveUp(id: number, reason: unknown): void {
    const pending = this.#pending.get(id)
    if (pending == null || pending.givenUp) return
    pending.givenUp = true
    pending.stop()
    pending.reject(reason)
    this.#send(this.#encode({ cancel: { id } }))
  }

  #onReply(frame: Frame, body: BodyKind | undefined): void {
    const pending = this.#pending.get(frame.id)
    if (pending == null) {
      throw new ProtocolViolationError(`answer to request ${frame.id}, which is not in flight`)
    }
    const code = frame.status?.code ?? STATUS.OK
    if (code >= FIRST_LOCAL_STATUS) {
      throw new ProtocolViolationError(`status ${code} is never sent`)
    }
    if (!mayReply(pending.kind, code, body)) {
      throw new ProtocolViolationError(
        `answer to ${pending.kind} with status ${code} has body ${body ?? 'none'}`
      )
    }
    if (code === STATUS.OK) this.#checkReply(pending.body, frame)
    this.#pending.delete(frame.id)
    pending.stop()
    if (frame.status != null && code !== STATUS.OK) {
      pending.reject(errorFromStatus(frame.status, pending.kind))
      return
    }
    const reply: ReplyBody = body == null ? {} : { [body]: frame[body] }
    if (pending.givenUp) this.#init.onLateReply?.(pending.body, reply)
    else pending.resolve(reply)
  }

  #checkReply(request: RequestBody, reply: Frame): void {
    if ('dial' in request && reply.connected?.connId !== request.dial.connId) {
      throw new ProtocolViolationError(`connected ${reply.connected?.connId}, another was dialled`)
    }
    if ('ping' in request && reply.ping?.nonce !== request.ping.nonce) {
      throw new ProtocolViolationError('answer to ping with another nonce')
    }
    if (reply.hello != null) {
      this.#acceptHello(reply.hello)
      this.#state = 'ready'
    }
  }

  // ---- requests of the other end ----

  #onFrame(frame: Frame): void {
    const [kind] = bodyKinds(frame)
    if (!frame.reply && frame.status != null) {
      throw new ProtocolViolationError('a status outside of an answer')
    }
    if (frame.reply) this.#onReply(frame, kind)
    else if (frame.id === 0) this.#onEvent(frame, kind)
    else this.#onRequest(frame, kind)
  }

  #onEvent(frame: Frame, kind: BodyKind | undefined): void {
    if (frame.deadlineMs !== 0) throw new ProtocolViolationError('a deadline in an event')
    if (!maySendEvent(kind, this.#otherRole(), this.#state)) throw this.#notAllowed('event', kind)
    if (kind == null) return // of a later version
    if (frame.cancel != null) this.#onCancel(frame.cancel.id)
    else this.#init.onEvent({ [kind]: frame[kind] } as unknown as EventBody)
  }

  #onRequest(frame: Frame, kind: BodyKind | undefined): void {
    const { id, deadlineMs } = frame
    if (
      !mayRequest(kind, this.#otherRole(), this.#state) ||
      (kind === 'hello' && this.#helloSeen) ||
      (kind === 'sign' && !this.#maySign())
    ) {
      throw this.#notAllowed('request', kind)
    }
    if (this.#running.has(id)) {
      throw new ProtocolViolationError(`request id ${id} is in flight already`)
    }
    if (this.#running.size >= this.#maxRequests) {
      throw new ProtocolViolationError(`more than ${this.#maxRequests} requests in flight`)
    }
    const queued = this.#init.queuedBytes?.() ?? 0
    if (queued > MAX_UNREAD_REPLY_BYTES) {
      throw new ProtocolViolationError(`requests while ${queued} bytes of answers are unread`)
    }
    if (kind == null) {
      const error = new UnsupportedError('this end does not know this request')
      this.#send(this.#encode({ id, reply: true, status: statusFromError(error) }))
      return
    }
    if (frame.hello != null) {
      this.#helloSeen = true
      this.#acceptHello(frame.hello)
    }
    if (kind === 'sign') this.#signSeen = true
    if (kind === 'drain' || kind === 'shutdown') this.#state = 'draining'
    this.#run(id, kind, { [kind]: frame[kind] } as unknown as RequestBody, deadlineMs)
  }

  #run(id: number, kind: RequestKind, body: RequestBody, deadlineMs: number): void {
    const abort = new AbortController()
    const stopTimer =
      deadlineMs === 0
        ? () => {}
        : this.#init.clock.setTimer(Math.min(deadlineMs, MAX_DEADLINE_MS), () =>
            this.#fail(
              id,
              running,
              new DeadlineExceededError(`${kind}: not done in ${deadlineMs} ms`)
            )
          )
    const running: Running = { kind, abort, stopTimer }
    this.#running.set(id, running)
    const ctx: RequestContext = { id, signal: abort.signal }
    if (deadlineMs !== 0) ctx.deadlineMs = deadlineMs
    let result: Promise<ReplyBody>
    try {
      result = Promise.resolve(this.#init.onRequest(body, ctx))
    } catch (err) {
      result = Promise.reject(err)
    }
    result.then(
      reply => this.#succeed(id, running, reply),
      err => this.#fail(id, running, err)
    )
  }

  #succeed(id: number, running: Running, reply: ReplyBody): void {
    if (this.#running.get(id) !== running) return
    const kinds = bodyKinds(reply)
    if (kinds.length > 1 || !mayReply(running.kind, STATUS.OK, kinds[0])) {
      const bodies = kinds.join(', ') || 'nothing'
      this.#fail(id, running, new InternalError(`${running.kind} was answered with ${bodies}`))
      return
    }
    let bytes: Uint8Array
    try {
      bytes = this.#encode({ id, reply: true, ...this.#withOwnLimits(reply) })
    } catch (err) {
      this.#fail(id, running, new InternalError(messageOf(err), { cause: err }))
      return
    }
    this.#running.delete(id)
    running.stopTimer()
    if (running.kind === 'hello') {
      this.#state = 'ready'
      this.#decoder.maxBytes = this.#maxFrameBytes
    }
    this.#send(bytes)
  }

  /** Answers with an error and aborts the handler, if that is still at work. */
  #fail(id: number, running: Running, err: unknown): void {
    if (this.#running.get(id) !== running) return
    this.#running.delete(id)
    running.stopTimer()
    const status = statusFromError(err)
    status.errno = clipUtf8(status.errno, 32)
    this.#send(this.#encode({ id, reply: true, status }))
    running.abort.abort(err)
  }

  #onCancel(id: number): void {
    const running = this.#running.get(id)
    // Not known: the answer and the Cancel have crossed.
    if (running != null) this.#fail(id, running, new CancelledError())
  }

  // ---- both ----

  #acceptHello(hello: Hello): void {
    const maxFrameBytes = hello.limits?.maxFrameBytes ?? 0
    if (maxFrameBytes !== 0 && maxFrameBytes < MIN_FRAME_BYTES) {
      throw new ProtocolViolationError(`max_frame_bytes is ${maxFrameBytes}: too small to go on`)
    }
    this.#remoteHello = hello
  }

  /** In a Hello: the limits that this session enforces. */
  #withOwnLimits<T extends RequestBody | ReplyBody>(body: T): T {
    const hello = (body as { hello?: Hello }).hello
    if (hello == null) return body
    const limits = {
      maxConnections: 0,
      maxListeners: 0,
      ...hello.limits,
      maxFrameBytes: this.#maxFrameBytes,
      maxRequests: this.#maxRequests
    }
    return { hello: { ...hello, limits } } as T
  }

  /** A signature is given for one Hello, and once: more would make an oracle of the client. */
  #maySign(): boolean {
    return this.#helloSeen && !this.#signSeen
  }

  #otherRole(): Role {
    return this.#init.role === 'client' ? 'service' : 'client'
  }

  #notAllowed(what: string, kind: BodyKind | undefined): ProtocolViolationError {
    return new ProtocolViolationError(
      `${what} ${kind ?? 'of unknown kind'} from the ${this.#otherRole()} while the session is ${this.#state}`
    )
  }

  #encode(frame: Partial<Frame>): Uint8Array {
    const limit = this.#remoteHello?.limits?.maxFrameBytes || MAX_FRAME_BYTES
    return encodeFrame(frame, Math.min(limit, MAX_FRAME_BYTES))
  }

  #send(bytes: Uint8Array): void {
    try {
      this.#init.send(bytes)
    } catch (err) {
      this.close(err instanceof Error ? err : new InternalError(String(err)))
    }
  }
}

function onlyKind(body: object): BodyKind {
  const kinds = bodyKinds(body)
  const kind = kinds[0]
  if (kind == null || kinds.length > 1) {
    throw new InvalidArgumentError(`a message has one body, not ${kinds.join(', ') || 'none'}`)
  }
  return kind
}

function clipLog<T extends { scope: string; message: string }>(log: T): T {
  return { ...log, scope: clipUtf8(log.scope, 128), message: clipUtf8(log.message, 4_096) }
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err)
}
