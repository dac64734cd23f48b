/** What the addon gives to JavaScript. Calls never block; results arrive as events. */
export interface Binding {
  /**
   * Stage 2 of the sandbox, on all threads and for good. Before `start`. Throws an Error that names
   * the step that failed; the process must end then.
   */
  lockdown(options: LockdownOptions): LockdownReport
  /** Starts the I/O thread on the data link. Once per process; throws an Error with `code`. */
  start(options: StartOptions, onEvent: (event: NativeEvent) => void): void
  listen(request: number, listener: number, ip: string, port: number, accept: number): void
  unlisten(request: number, listener: number): void
  /** Adds `count` inbound connections to the credit of a listener. */
  accept(listener: number, count: number): void
  dial(request: number, connection: number, ip: string, port: number, timeoutMs: number): void
  /** Also ends a dial that has not finished; its request is then answered with CANCELLED. */
  close(request: number, connection: number, abort: boolean, code: number): void
  /**
   * With native security, after `start` and once: makes the TLS key, which never leaves the addon, and gives its
   * public half as SubjectPublicKeyInfo, DER.
   */
  generateKey?(): Uint8Array
  /**
   * With native security, before the first `listen` or `dial`: makes the certificate from the host's public key (libp2p
   * protobuf) and its signature of the TLS key. Throws an Error where it cannot.
   */
  setCertificate?(publicKey: Uint8Array, signature: Uint8Array): void
  /** Connection 0: the whole service. */
  stats(request: number, connection: number): void
  /** Ends the I/O thread: resets what is left, closes all sockets. Returns when it has ended. */
  stop(): void
  /** Milliseconds for which the I/O thread has been busy with a round, or has overslept; 0: neither. */
  ioAgeMs(): number
  /** Name and version of the addon and its library, for Hello and for logs. */
  readonly version: string
}

export interface LockdownOptions {
  /** Kill the process for every system call that the policy does not name. */
  strict: boolean
  /** Where the launcher takes the file tree away; -1: it does not. */
  lockFd: number
}

export interface LockdownReport {
  /** 0: the kernel has no Landlock. */
  landlockAbi: number
}

export interface StartOptions {
  /** File descriptor of the data link; the addon owns it from here on. */
  dataFd: number
  /** Settings by name, each with a default in native/utp/engine.h; unknown names are an error. */
  settings: Record<string, number>
}

export const NATIVE_EVENT = {
  REPLY: 0,
  INCOMING: 1,
  CONNECTED: 2,
  CLOSED: 3,
  STATS: 4,
  LOG: 5,
  LINK_LOST: 6,
  REFUSED: 7
} as const

/** native/common/transport.h, struct Event. Strings are empty and numbers 0 where not used. */
export interface NativeEvent {
  kind: number
  request: number
  listener: number
  connection: number
  level: number
  code: number
  errno: number
  message: string
  localIp: string
  localPort: number
  remoteIp: string
  remotePort: number
  bytesIn: number
  bytesOut: number
  text: string
  /** DER of the peer's certificate, with native security; empty or absent otherwise. */
  certificate?: Uint8Array
}
