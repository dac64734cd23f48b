// The sockets that the jail keeps for one transport.
import {
  AlreadyExistsError,
  errorFromStatus,
  NotFoundError,
  STATUS,
  statusFromErrno,
  UnavailableError
} from '../ctl/index.ts'
import type { JailHost } from './jail-host.ts'
import { JailIncarnation } from './jail-incarnation.ts'
import { JailError, type JailProcess } from './jail-process.ts'
import type { Incarnation, SocketAddress, SocketKeeper } from './runner.ts'

interface Kept {
  jail: JailProcess
  address: SocketAddress
  bound: Promise<number>
}

const TEXT: Record<string, string> = {
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'the address is not one of this machine',
  EACCES: 'permission denied',
  ENODEV: 'there is no network interface of this name',
  ENFILE:
    'the launcher keeps 64 sockets and no more: close a listener, or listen on 0.0.0.0 or :: instead of on many addresses'
}

/** What a bind that failed is for whoever asked. */
function bindError(error: Error): Error {
  if (!(error instanceof JailError)) {
    return error
  }
  const { errno } = error.failure
  const code =
    errno === 'ENODEV' ? STATUS.ADDRESS_NOT_AVAILABLE : (statusFromErrno(errno) ?? STATUS.INTERNAL)
  const message = TEXT[errno] ?? `the socket could not be bound: ${errno}`
  return errorFromStatus({ code, message, errno, retryable: false }, 'listen')
}

const isSame = (a: SocketAddress, b: SocketAddress, port: number) =>
  a.family === b.family && a.ip === b.ip && (a.port === b.port || port === b.port)

export class JailKeeper implements SocketKeeper {
  readonly #host: JailHost
  readonly #kept = new Map<string, Kept>()

  constructor(host: JailHost) {
    this.#host = host
  }

  async bind(id: string, address: SocketAddress): Promise<{ port: number }> {
    const jail = this.#host.current
    if (jail === undefined) {
      throw new UnavailableError(
        'the launcher that keeps the sockets is gone; it comes back with the service'
      )
    }
    const kept = this.#kept.get(id)
    if (kept?.jail === jail) {
      const port = await kept.bound
      if (isSame(kept.address, address, port)) {
        return { port }
      }
      throw new AlreadyExistsError(
        `the kept socket ${id} is bound to ${kept.address.ip} port ${port}: release it first`
      )
    }
    const { udpBufferBytes: bytes } = this.#host
    const bound = jail.bind(id, address, { receiveBytes: bytes, sendBytes: bytes })
    const entry = { jail, address, bound }
    this.#kept.set(id, entry)
    try {
      return { port: await bound }
    } catch (error) {
      if (this.#kept.get(id) === entry) {
        this.#kept.delete(id)
      }
      throw bindError(error as Error)
    }
  }

  async lend(incarnation: Incarnation, id: string): Promise<void> {
    if (
      !(incarnation instanceof JailIncarnation) ||
      this.#kept.get(id)?.jail !== incarnation.jail
    ) {
      throw new NotFoundError(`there is no kept socket ${id} that could be lent to this service`)
    }
    try {
      await incarnation.jail.give(incarnation.number, id)
    } catch (error) {
      if (!(error instanceof JailError)) {
        throw error
      }
      const { errno } = error.failure
      throw errno === 'ENOENT'
        ? new NotFoundError(`there is no kept socket ${id}`)
        : new UnavailableError(`the socket ${id} could not be lent to the service: ${errno}`, {
            errno
          })
    }
  }

  async release(id: string): Promise<void> {
    const kept = this.#kept.get(id)
    if (kept === undefined) {
      return
    }
    this.#kept.delete(id)
    // behind its bind and before the next one of this id, because the jail takes one after the other
    await kept.jail.closeSocket(id).catch(() => {})
  }
}
