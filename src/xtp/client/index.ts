export type { BreakerState } from './circuit-breaker.ts'
export {
  XtpClient,
  type XtpClientComponents,
  type XtpClientEvents,
  type XtpDialEvents,
  type XtpDialOptions
} from './client.ts'
export { XtpConnection } from './connection.ts'
export {
  type DefinedTransport,
  defineTransport,
  type TransportPackage
} from './define-transport.ts'
export type { PortProtocol, RestartPolicy, TransportDefinition, XtpInit } from './definition.ts'
export type { Limits, LimitsInit } from './limits.ts'
export { type ListenerOptions, XtpListener } from './listener.ts'
export { MuxedConnection } from './muxed-connection.ts'
export { MuxedStream } from './muxed-stream.ts'
export { portMatcher } from './port-matcher.ts'
export type { RefusedPeer } from './refusals.ts'
export type { ServiceConnection } from './service-connection.ts'
export type { TransportStatus } from './status.ts'
export type { SupervisorState } from './supervisor.ts'
export {
  createTransport,
  type XtpComponents,
  XtpTransport,
  type XtpTransportDialEvents
} from './transport.ts'
