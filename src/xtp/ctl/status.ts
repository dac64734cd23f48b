// The closed list of status codes (spec/xtp-ctl.md, section Status codes). The numbers up to 31 are
// wire values and are the same as in native/common/status.h; those from 32 never travel.

export const STATUS = {
  OK: 0,
  CANCELLED: 1,
  DEADLINE_EXCEEDED: 2,
  INVALID_ARGUMENT: 3,
  UNSUPPORTED: 4,
  PROTOCOL_VIOLATION: 5,
  INTERNAL: 6,
  RESOURCE_EXHAUSTED: 7,
  UNAVAILABLE: 8,
  NOT_FOUND: 9,
  ALREADY_EXISTS: 10,
  ADDRESS_IN_USE: 16,
  ADDRESS_NOT_AVAILABLE: 17,
  PERMISSION_DENIED: 18,
  CONNECTION_REFUSED: 19,
  CONNECTION_RESET: 20,
  CONNECTION_TIMED_OUT: 21,
  NETWORK_UNREACHABLE: 22,
  CONNECTION_CLOSED: 23,
  CONNECTION_ABORTED: 24,
  REMOTE_MISBEHAVED: 25,
  HANDSHAKE_FAILED: 26,
  NO_COMMON_ALPN: 27,
  PEER_CERTIFICATE: 28,
  SERVICE_LOST: 32,
  SERVICE_START_FAILED: 33,
  SANDBOX_UNAVAILABLE: 34,
  POSSIBLE_COMPROMISE: 35,
  LIMIT_EXCEEDED: 36
} as const

export type StatusName = keyof typeof STATUS
export type StatusCode = (typeof STATUS)[StatusName]

/** First code that is made by the client itself and is never sent. */
export const FIRST_LOCAL_STATUS = 32

const NAMES = new Map<number, StatusName>(
  Object.entries(STATUS).map(([name, code]) => [code, name as StatusName])
)

const RETRYABLE = new Set<number>([
  STATUS.DEADLINE_EXCEEDED,
  STATUS.RESOURCE_EXHAUSTED,
  STATUS.UNAVAILABLE,
  STATUS.CONNECTION_REFUSED,
  STATUS.CONNECTION_RESET,
  STATUS.CONNECTION_TIMED_OUT,
  STATUS.NETWORK_UNREACHABLE,
  STATUS.SERVICE_LOST,
  STATUS.LIMIT_EXCEEDED
])

// The POSIX name that stands for a code where the system named none.
const ERRNO = new Map<number, string>([
  [STATUS.CANCELLED, 'ECANCELED'],
  [STATUS.DEADLINE_EXCEEDED, 'ETIMEDOUT'],
  [STATUS.INVALID_ARGUMENT, 'EINVAL'],
  [STATUS.UNSUPPORTED, 'ENOTSUP'],
  [STATUS.PROTOCOL_VIOLATION, 'EPROTO'],
  [STATUS.RESOURCE_EXHAUSTED, 'ENOBUFS'],
  [STATUS.UNAVAILABLE, 'EAGAIN'],
  [STATUS.NOT_FOUND, 'ENOENT'],
  [STATUS.ALREADY_EXISTS, 'EEXIST'],
  [STATUS.ADDRESS_IN_USE, 'EADDRINUSE'],
  [STATUS.ADDRESS_NOT_AVAILABLE, 'EADDRNOTAVAIL'],
  [STATUS.PERMISSION_DENIED, 'EACCES'],
  [STATUS.CONNECTION_REFUSED, 'ECONNREFUSED'],
  [STATUS.CONNECTION_RESET, 'ECONNRESET'],
  [STATUS.CONNECTION_TIMED_OUT, 'ETIMEDOUT'],
  [STATUS.NETWORK_UNREACHABLE, 'ENETUNREACH'],
  [STATUS.CONNECTION_ABORTED, 'ECONNABORTED'],
  [STATUS.SERVICE_LOST, 'EPIPE']
])

const FROM_ERRNO = new Map<string, StatusCode>([
  ['EINVAL', STATUS.INVALID_ARGUMENT],
  ['ENOTSUP', STATUS.UNSUPPORTED],
  ['EOPNOTSUPP', STATUS.UNSUPPORTED],
  ['EAFNOSUPPORT', STATUS.UNSUPPORTED],
  ['EPROTO', STATUS.PROTOCOL_VIOLATION],
  ['EMFILE', STATUS.RESOURCE_EXHAUSTED],
  ['ENFILE', STATUS.RESOURCE_EXHAUSTED],
  ['ENOBUFS', STATUS.RESOURCE_EXHAUSTED],
  ['ENOMEM', STATUS.RESOURCE_EXHAUSTED],
  ['EADDRINUSE', STATUS.ADDRESS_IN_USE],
  ['EADDRNOTAVAIL', STATUS.ADDRESS_NOT_AVAILABLE],
  ['EACCES', STATUS.PERMISSION_DENIED],
  ['EPERM', STATUS.PERMISSION_DENIED],
  ['ECONNREFUSED', STATUS.CONNECTION_REFUSED],
  ['ECONNRESET', STATUS.CONNECTION_RESET],
  ['EPIPE', STATUS.CONNECTION_RESET],
  ['ETIMEDOUT', STATUS.CONNECTION_TIMED_OUT],
  ['ENETUNREACH', STATUS.NETWORK_UNREACHABLE],
  ['EHOSTUNREACH', STATUS.NETWORK_UNREACHABLE],
  ['ENETDOWN', STATUS.NETWORK_UNREACHABLE],
  ['ECONNABORTED', STATUS.CONNECTION_ABORTED]
])

/** `'ADDRESS_IN_USE'`; `'STATUS_99'` for a number that is not in the list. */
export function statusName(code: number): string {
  return NAMES.get(code) ?? `STATUS_${code}`
}

/** Whether the same request may succeed later without a change, where nothing better is known. */
export function isRetryable(code: number): boolean {
  return RETRYABLE.has(code)
}

/** The POSIX name that is closest to a code, if one is. */
export function statusErrno(code: number): string | undefined {
  return ERRNO.get(code)
}

/** The code for a POSIX error name such as `'EADDRINUSE'`; undefined where it says too little. */
export function statusFromErrno(errno: string): StatusCode | undefined {
  return FROM_ERRNO.get(errno)
}
