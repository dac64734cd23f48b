// Every error that XTP throws: one class per cause, with a stable `code`.
import type { Status } from './proto/xtp-ctl.js'
import {
  FIRST_LOCAL_STATUS,
  isRetryable,
  STATUS,
  statusErrno,
  statusFromErrno,
  statusName
} from './status.ts'

// Registered globally, so that errors of another copy of this package are known too.
const BRAND = Symbol.for('xtp.error')

/** A status message on the wire is cut to this many characters. */
const MAX_STATUS_MESSAGE_CHARS = 1024

export interface XtpErrorOptions {
  cause?: unknown
  /** POSIX name, where the system gave one. Default: what is closest to the status. */
  errno?: string
  /** Default: what the status says. */
  retryable?: boolean
  details?: Record<string, unknown>
}

/** Base class. Compare `code`, or use `isXtpError`, where several copies may be installed. */
export class XtpError extends Error {
  override name = 'XtpError'
  /** Stable name of the cause, such as `'ERR_XTP_ADDRESS_IN_USE'`. */
  readonly code: string
  /** Number of the closed list in spec/xtp-ctl.md. */
  readonly status: number
  declare readonly errno?: string
  /** The same call may succeed later without a change. */
  readonly retryable: boolean
  declare readonly details?: Record<string, unknown>

  constructor(message: string, options: XtpErrorOptions & { status?: number; code?: string } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.status = options.status ?? STATUS.INTERNAL
    this.code = options.code ?? `ERR_XTP_${statusName(this.status)}`
    this.retryable = options.retryable ?? isRetryable(this.status)
    const errno = options.errno ?? statusErrno(this.status)
    if (errno != null) this.errno = errno
    if (options.details != null) this.details = options.details
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** True for errors of any copy of this package; with `code`, for that cause only. */
export function isXtpError(err: unknown, code?: string): err is XtpError {
  if (typeof err !== 'object' || err === null || !(BRAND in err)) return false
  return code == null || (err as unknown as XtpError).code === code
}

/** The caller, or the other side on the caller's behalf, gave up. */
export class CancelledError extends XtpError {
  override name = 'CancelledError'
  constructor(message = 'the request was cancelled', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.CANCELLED })
  }
}

export class DeadlineExceededError extends XtpError {
  override name = 'DeadlineExceededError'
  constructor(
    message = 'no answer before the deadline: try again, or allow more time',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.DEADLINE_EXCEEDED })
  }
}

export class InvalidArgumentError extends XtpError {
  override name = 'InvalidArgumentError'
  constructor(message = 'an argument is not valid', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.INVALID_ARGUMENT })
  }
}

export class UnsupportedError extends XtpError {
  override name = 'UnsupportedError'
  constructor(message = 'the service does not support this', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.UNSUPPORTED })
  }
}

/** The other end of a link broke the rules of spec/xtp-ctl.md; the link is closed. */
export class ProtocolViolationError extends XtpError {
  override name = 'ProtocolViolationError'
  constructor(message = 'the other end broke the protocol', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.PROTOCOL_VIOLATION })
  }
}

/** No common protocol on a link. */
export class NegotiationError extends XtpError {
  override name = 'NegotiationError'
  /** Bytes to write before the link is closed, if any: the `na` of a responder. */
  declare readonly send?: Uint8Array
  constructor(message: string, options: XtpErrorOptions & { send?: Uint8Array } = {}) {
    super(message, { ...options, status: STATUS.UNSUPPORTED, code: 'ERR_XTP_NEGOTIATION' })
    if (options.send != null) this.send = options.send
  }
}

export class InternalError extends XtpError {
  override name = 'InternalError'
  constructor(
    message = 'internal error: please report it with the log of the service',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.INTERNAL })
  }
}

export class ResourceExhaustedError extends XtpError {
  override name = 'ResourceExhaustedError'
  constructor(
    message = 'a limit is reached: close something, or raise the limit',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.RESOURCE_EXHAUSTED })
  }
}

export class UnavailableError extends XtpError {
  override name = 'UnavailableError'
  constructor(
    message = 'the service is not available now: try again later',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.UNAVAILABLE })
  }
}

export class NotFoundError extends XtpError {
  override name = 'NotFoundError'
  constructor(message = 'there is no such connection or listener', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.NOT_FOUND })
  }
}

export class AlreadyExistsError extends XtpError {
  override name = 'AlreadyExistsError'
  constructor(message = 'this id is taken', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.ALREADY_EXISTS })
  }
}

export class AddressInUseError extends XtpError {
  override name = 'AddressInUseError'
  constructor(
    message = 'the address is in use: choose another port, or end the program that holds it',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.ADDRESS_IN_USE })
  }
}

export class AddressNotAvailableError extends XtpError {
  override name = 'AddressNotAvailableError'
  constructor(
    message = 'the address is not one of this machine: listen on one that it has',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.ADDRESS_NOT_AVAILABLE })
  }
}

export class PermissionDeniedError extends XtpError {
  override name = 'PermissionDeniedError'
  constructor(
    message = 'permission denied: ports below 1024 may need a privilege',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.PERMISSION_DENIED })
  }
}

export class ConnectionRefusedError extends XtpError {
  override name = 'ConnectionRefusedError'
  constructor(
    message = 'connection refused: nothing listens there',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.CONNECTION_REFUSED })
  }
}

export class ConnectionResetError extends XtpError {
  override name = 'ConnectionResetError'
  constructor(message = 'the remote reset the connection', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.CONNECTION_RESET })
  }
}

export class ConnectionTimedOutError extends XtpError {
  override name = 'ConnectionTimedOutError'
  constructor(
    message = 'the remote did not answer in time: it may be down, or a firewall drops UDP',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.CONNECTION_TIMED_OUT })
  }
}

export class NetworkUnreachableError extends XtpError {
  override name = 'NetworkUnreachableError'
  constructor(
    message = 'there is no route to the remote: check the address and the network',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.NETWORK_UNREACHABLE })
  }
}

/** The connection ended in an orderly way. */
export class ConnectionClosedError extends XtpError {
  override name = 'ConnectionClosedError'
  constructor(message = 'the connection is closed', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.CONNECTION_CLOSED })
  }
}

/** This side ended the connection abruptly. */
export class ConnectionAbortedError extends XtpError {
  override name = 'ConnectionAbortedError'
  constructor(message = 'the connection was aborted locally', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.CONNECTION_ABORTED })
  }
}

/** The peer on the network broke the rules of the transport protocol. */
export class RemoteMisbehavedError extends XtpError {
  override name = 'RemoteMisbehavedError'
  constructor(
    message = 'the remote broke the rules of the transport and was disconnected',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.REMOTE_MISBEHAVED })
  }
}

/** The peer, or this end, ended the cryptographic handshake; the message names the TLS alert. */
export class HandshakeFailedError extends XtpError {
  override name = 'HandshakeFailedError'
  constructor(message = 'the cryptographic handshake failed', options: XtpErrorOptions = {}) {
    super(message, { ...options, status: STATUS.HANDSHAKE_FAILED })
  }
}

/** The peer speaks the transport, but not libp2p over it. */
export class NoCommonAlpnError extends XtpError {
  override name = 'NoCommonAlpnError'
  constructor(
    message = 'the remote does not speak libp2p over this transport: check the address',
    options: XtpErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.NO_COMMON_ALPN })
  }
}

/** Why the certificate of a peer was refused. */
export type PeerCertificateReason =
  | 'missing'
  | 'too-large'
  | 'malformed'
  | 'not-yet-valid'
  | 'expired'
  | 'unsupported-key'
  | 'not-self-signed'
  | 'critical-extension'
  | 'no-libp2p-extension'
  | 'bad-host-key'
  | 'bad-host-signature'

/** The peer's certificate does not prove who it is: the connection was aborted. */
export class PeerCertificateError extends XtpError {
  override name = 'PeerCertificateError'
  /** Undefined where only the status is known. */
  declare readonly reason?: PeerCertificateReason
  constructor(
    message = 'the certificate of the peer does not prove its identity',
    options: XtpErrorOptions & { reason?: PeerCertificateReason } = {}
  ) {
    super(message, { ...options, status: STATUS.PEER_CERTIFICATE })
    if (options.reason != null) this.reason = options.reason
  }
}

export interface ServiceErrorOptions extends XtpErrorOptions {
  /** Exit code of the process; null or undefined where it was killed or is not known. */
  exitCode?: number | null
  /** Signal that ended the process, such as `'SIGSEGV'`. */
  signal?: string | null
  /** Last lines that the process logged, oldest first. */
  logTail?: readonly string[]
}

/** The service process, or the link to it, died. */
export class ServiceLostError extends XtpError {
  override name = 'ServiceLostError'
  readonly exitCode: number | null
  readonly signal: string | null
  readonly logTail: readonly string[]
  constructor(
    message = 'the service is gone: its connections are closed, it will be restarted',
    options: ServiceErrorOptions & { status?: number } = {}
  ) {
    super(message, { status: STATUS.SERVICE_LOST, ...options })
    this.exitCode = options.exitCode ?? null
    this.signal = options.signal ?? null
    this.logTail = options.logTail ?? []
  }
}

/** The service process could not be started, or did not become ready. */
export class ServiceStartError extends XtpError {
  override name = 'ServiceStartError'
  readonly exitCode: number | null
  readonly signal: string | null
  readonly logTail: readonly string[]
  constructor(
    message = 'the service did not start',
    options: ServiceErrorOptions & { status?: number } = {}
  ) {
    super(message, { status: STATUS.SERVICE_START_FAILED, ...options })
    this.exitCode = options.exitCode ?? null
    this.signal = options.signal ?? null
    this.logTail = options.logTail ?? []
  }
}

/** The sandbox that the application insists on is not to be had here; nothing was started. */
export class SandboxUnavailableError extends ServiceStartError {
  override name = 'SandboxUnavailableError'
  constructor(
    message = 'the sandbox that was required is not available here: allow it, or require less',
    options: ServiceErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.SANDBOX_UNAVAILABLE })
  }
}

/**
 * The service was killed for a forbidden system call: a defect of it, or an attacker inside. It is not
 * restarted, unless `restart.onCompromise` says so.
 */
export class PossibleCompromiseError extends ServiceLostError {
  override name = 'PossibleCompromiseError'
  constructor(
    message = 'the service made a forbidden system call and was killed: it may have been taken over',
    options: ServiceErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.POSSIBLE_COMPROMISE })
  }
}

/** The service used more than it may, and was killed; `details` has `limit`, `value` and `allowed`. */
export class LimitExceededError extends ServiceLostError {
  override name = 'LimitExceededError'
  constructor(
    message = 'the service used more than it may: raise the limit, or find out why',
    options: ServiceErrorOptions = {}
  ) {
    super(message, { ...options, status: STATUS.LIMIT_EXCEEDED })
  }
}

type StatusErrorClass = new (message?: string, options?: XtpErrorOptions) => XtpError

const CLASSES = new Map<number, StatusErrorClass>([
  // A stream reset that names no reason, as other implementations of yamux send.
  [STATUS.OK, ConnectionResetError],
  [STATUS.CANCELLED, CancelledError],
  [STATUS.DEADLINE_EXCEEDED, DeadlineExceededError],
  [STATUS.INVALID_ARGUMENT, InvalidArgumentError],
  [STATUS.UNSUPPORTED, UnsupportedError],
  [STATUS.PROTOCOL_VIOLATION, ProtocolViolationError],
  [STATUS.INTERNAL, InternalError],
  [STATUS.RESOURCE_EXHAUSTED, ResourceExhaustedError],
  [STATUS.UNAVAILABLE, UnavailableError],
  [STATUS.NOT_FOUND, NotFoundError],
  [STATUS.ALREADY_EXISTS, AlreadyExistsError],
  [STATUS.ADDRESS_IN_USE, AddressInUseError],
  [STATUS.ADDRESS_NOT_AVAILABLE, AddressNotAvailableError],
  [STATUS.PERMISSION_DENIED, PermissionDeniedError],
  [STATUS.CONNECTION_REFUSED, ConnectionRefusedError],
  [STATUS.CONNECTION_RESET, ConnectionResetError],
  [STATUS.CONNECTION_TIMED_OUT, ConnectionTimedOutError],
  [STATUS.NETWORK_UNREACHABLE, NetworkUnreachableError],
  [STATUS.CONNECTION_CLOSED, ConnectionClosedError],
  [STATUS.CONNECTION_ABORTED, ConnectionAbortedError],
  [STATUS.REMOTE_MISBEHAVED, RemoteMisbehavedError],
  [STATUS.HANDSHAKE_FAILED, HandshakeFailedError],
  [STATUS.NO_COMMON_ALPN, NoCommonAlpnError],
  [STATUS.PEER_CERTIFICATE, PeerCertificateError],
  [STATUS.SERVICE_LOST, ServiceLostError],
  [STATUS.SERVICE_START_FAILED, ServiceStartError],
  [STATUS.SANDBOX_UNAVAILABLE, SandboxUnavailableError],
  [STATUS.POSSIBLE_COMPROMISE, PossibleCompromiseError],
  [STATUS.LIMIT_EXCEEDED, LimitExceededError]
])

/**
 * The error for a status that came over the wire, or for the code of a stream reset.
 *
 * @param context - what was tried, such as `'dial /ip4/1.2.3.4/udp/5/utp'`; leads the message
 */
export function errorFromStatus(
  status: { code: number } & Partial<Status>,
  context?: string
): XtpError {
  const Class = CLASSES.get(status.code)
  const said = status.message === '' ? undefined : status.message
  const text = said ?? (Class == null ? `status ${status.code}` : new Class().message)
  const message = context == null ? text : `${context}: ${text}`
  const options: XtpErrorOptions = {}
  if (status.errno != null && status.errno !== '') options.errno = status.errno
  // A status of the wire always says whether it is retryable; a bare code does not.
  if (status.message != null) options.retryable = status.retryable
  return Class == null
    ? new XtpError(message, { ...options, status: status.code })
    : new Class(message, options)
}

/** What goes on the wire for an error of any kind. Never OK, and never a local code. */
export function statusFromError(err: unknown): Status {
  const message = (err instanceof Error ? err.message : String(err)).slice(
    0,
    MAX_STATUS_MESSAGE_CHARS
  )
  if (isXtpError(err) && err.status > 0 && err.status < FIRST_LOCAL_STATUS) {
    return { code: err.status, message, errno: err.errno ?? '', retryable: err.retryable }
  }
  const { name, code: errno } = (typeof err === 'object' && err !== null ? err : {}) as {
    name?: unknown
    code?: unknown
  }
  if (name === 'AbortError') return plain(STATUS.CANCELLED, message)
  const code = typeof errno === 'string' ? statusFromErrno(errno) : undefined
  return code == null ? plain(STATUS.INTERNAL, message) : plain(code, message, errno as string)
}

function plain(code: number, message: string, errno = ''): Status {
  return { code, message, errno, retryable: isRetryable(code) }
}
