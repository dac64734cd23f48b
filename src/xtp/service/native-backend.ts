// Drives an addon (binding.ts): turns control requests into native calls and native events into
// replies and control events.
import { getSystemErrorName } from 'node:util'
import {
  type Connected,
  type EventBody,
  errorFromStatus,
  isRetryable,
  type Listening,
  type Signed,
  STATUS,
  type StatsResult,
  type Status,
  UnavailableError,
  UnsupportedError,
  type XtpError
} from '../ctl/index.ts'
import { type AddressForm, bytesFromIpPort, ipPortFromBytes } from './addresses.ts'
import {
  type Binding,
  type LockdownOptions,
  type LockdownReport,
  NATIVE_EVENT,
  type NativeEvent
} from './binding.ts'

export interface NativeBackendInit extends AddressForm {
  binding: Binding
  onEvent(event: EventBody): void
  /** The data link ended, in order (no error) or not. */
  onLinkLost(error?: XtpError): void
}

interface Pending {
  resolve(event: NativeEvent): void
  reject(error: Error): void
}

function errnoName(errno: number): string {
  if (errno === 0) {
    return ''
  }
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `errno ${errno}`
  }
}

function statusOf(event: NativeEvent): Status {
  return {
    code: event.code,
    message: event.message,
    errno: errnoName(event.errno),
    retryable: isRetryable(event.code)
  }
}

export class NativeBackend {
  readonly #init: NativeBackendInit
  readonly #binding: Binding
  readonly #pending = new Map<number, Pending>()
  #nextRequest = 1
  #started = false

  constructor(init: NativeBackendInit) {
    this.#init = init
    this.#binding = init.binding
  }

  get version(): string {
    return this.#binding.version
  }

  get ioAgeMs(): number {
    return this.#started ? this.#binding.ioAgeMs() : 0
  }

  /** @throws Error that names the step that failed */
  lockdown(options: LockdownOptions): LockdownReport {
    return this.#binding.lockdown(options)
  }

  /** @throws Error where the addon refuses a setting or cannot start its thread */
  start(dataFd: number, settings: Record<string, number>): void {
    this.#binding.start({ dataFd, settings }, event => this.#onEvent(event))
    this.#started = true
  }

  /**
   * Native security: has `sign` lend the host's identity to a key of the addon.
   *
   * @throws what `sign` does; Error where the addon has no such functions or cannot make the certificate
   */
  async certify(sign: (spki: Uint8Array) => Promise<Signed>): Promise<void> {
    const { generateKey, setCertificate } = this.#binding
    if (generateKey === undefined || setCertificate === undefined) {
      throw new UnsupportedError('the addon has no TLS key: it does not fit its package')
    }
    const { publicKey, signature } = await sign(generateKey.call(this.#binding))
    setCertificate.call(this.#binding, publicKey, signature)
  }

  async listen(listener: number, addr: Uint8Array, accept: number): Promise<Listening> {
    const { ip, port } = ipPortFromBytes(addr, this.#init)
    const done = await this.#request(id => this.#binding.listen(id, listener, ip, port, accept))
    return { addr: bytesFromIpPort(done.localIp, done.localPort, this.#init) }
  }

  async unlisten(listener: number): Promise<void> {
    await this.#request(id => this.#binding.unlisten(id, listener))
  }

  accept(listener: number, count: number): void {
    this.#binding.accept(listener, count)
  }

  async dial(
    connection: number,
    addr: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal
  ): Promise<Connected> {
    const { ip, port } = ipPortFromBytes(addr, this.#init)
    // ends the dial; the addon answers its request with CANCELLED
    const cancel = () => {
      this.#request(id => this.#binding.close(id, connection, true, STATUS.CANCELLED)).catch(
        () => {}
      )
    }
    signal.throwIfAborted()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      const event = await this.#request(id =>
        this.#binding.dial(id, connection, ip, port, timeoutMs)
      )
      return {
        connId: connection,
        localAddr: bytesFromIpPort(event.localIp, event.localPort, this.#init),
        remoteAddr: bytesFromIpPort(event.remoteIp, event.remotePort, this.#init),
        remoteCertificate: event.certificate
      }
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  async close(connection: number, abort: boolean, code: number): Promise<void> {
    await this.#request(id => this.#binding.close(id, connection, abort, code))
  }

  async stats(connection: number): Promise<StatsResult> {
    const event = await this.#request(id => this.#binding.stats(id, connection))
    const lines = event.text.split('\n').filter(line => line !== '')
    return {
      stats: lines.map(line => {
        const [key = '', value = '0'] = line.split(' ')
        return { key, value: BigInt(value) }
      })
    }
  }

  stop(): void {
    if (this.#started) {
      this.#started = false
      this.#binding.stop()
    }
    for (const { reject } of this.#pending.values()) {
      reject(new UnavailableError('the service is stopping'))
    }
    this.#pending.clear()
  }

  #request(call: (id: number) => void): Promise<NativeEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<NativeEvent>()
    const id = this.#nextRequest
    this.#nextRequest = id === 0xffffffff ? 1 : id + 1
    this.#pending.set(id, { resolve, reject })
    try {
      call(id)
    } catch (error) {
      this.#pending.delete(id)
      reject(error)
    }
    return promise
  }

  #settle(event: NativeEvent): void {
    const pending = this.#pending.get(event.request)
    this.#pending.delete(event.request)
    if (event.code === STATUS.OK) {
      pending?.resolve(event)
    } else {
      pending?.reject(errorFromStatus(statusOf(event)))
    }
  }

  #onEvent(event: NativeEvent): void {
    const { onEvent, onLinkLost } = this.#init
    switch (event.kind) {
      case NATIVE_EVENT.REPLY:
      case NATIVE_EVENT.CONNECTED:
      case NATIVE_EVENT.STATS:
        this.#settle(event)
        break
      case NATIVE_EVENT.INCOMING:
        onEvent({
          incoming: {
            connId: event.connection,
            listenerId: event.listener,
            localAddr: bytesFromIpPort(event.localIp, event.localPort, this.#init),
            remoteAddr: bytesFromIpPort(event.remoteIp, event.remotePort, this.#init),
            remoteCertificate: event.certificate
          }
        })
        break
      case NATIVE_EVENT.REFUSED:
        onEvent({
          refused: {
            listenerId: event.listener,
            remoteAddr: bytesFromIpPort(event.remoteIp, event.remotePort, this.#init),
            status: statusOf(event)
          }
        })
        break
      case NATIVE_EVENT.CLOSED:
        onEvent({
          closed: {
            connId: event.connection,
            status: statusOf(event),
            bytesIn: BigInt(event.bytesIn),
            bytesOut: BigInt(event.bytesOut)
          }
        })
        break
      case NATIVE_EVENT.LOG:
        onEvent({ log: { level: event.level, scope: 'native', message: event.text } })
        break
      case NATIVE_EVENT.LINK_LOST: {
        onLinkLost(event.code === STATUS.OK ? undefined : errorFromStatus(statusOf(event)))
        break
      }
    }
  }
}
