/**
 * @packageDocumentation
 *
 * The client of XTP, eXternal Transports Protocol: gives js-libp2p transports whose network code runs
 * in a process of its own. Applications install a transport package, such as `xtp-utp`; transport
 * packages are made of `defineTransport`.
 */
export * from './client/index.ts'
export {
  AddressInUseError,
  AddressNotAvailableError,
  AlreadyExistsError,
  CancelledError,
  type Clock,
  ConnectionAbortedError,
  ConnectionClosedError,
  ConnectionRefusedError,
  ConnectionResetError,
  ConnectionTimedOutError,
  DeadlineExceededError,
  HandshakeFailedError,
  InternalError,
  InvalidArgumentError,
  isXtpError,
  LimitExceededError,
  NetworkUnreachableError,
  NoCommonAlpnError,
  NotFoundError,
  PeerCertificateError,
  type PeerCertificateReason,
  PermissionDeniedError,
  PossibleCompromiseError,
  ProtocolViolationError,
  RemoteMisbehavedError,
  ResourceExhaustedError,
  SandboxUnavailableError,
  ServiceLostError,
  ServiceStartError,
  STATUS,
  UnavailableError,
  UnsupportedError,
  XtpError
} from './ctl/index.ts'
export {
  type ByteLink,
  DirectRunner,
  type DirectRunnerInit,
  type ExitInfo,
  type Incarnation,
  type JailBinary,
  type LinkHandler,
  type LogSource,
  type Resolver,
  type Runner,
  type SandboxLevel,
  type SandboxOptions,
  type SandboxReport,
  SandboxRunner,
  type SandboxRunnerInit,
  type SandboxUser,
  type SocketAddress,
  type SocketKeeper,
  type StartRequest
} from './runner/index.ts'
