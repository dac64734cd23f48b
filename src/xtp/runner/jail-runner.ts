// Starts services through xtp-jail: inside the sandbox, with sockets that outlive them.
import net from 'node:net'
import { ServiceStartError } from '../ctl/index.ts'
import type { JailHost } from './jail-host.ts'
import { JailIncarnation, type JailLinks } from './jail-incarnation.ts'
import { JailKeeper } from './jail-keeper.ts'
import { linkTag } from './jail-lines.ts'
import { JailError, type JailProcess } from './jail-process.ts'
import type { ExitInfo, Incarnation, Runner, SandboxReport, StartRequest } from './runner.ts'
import { failureText } from './sandbox-words.ts'
import { SlabLink } from './slab-link.ts'
import { SocketLink } from './socket-link.ts'
import { exitRemedy } from './start-errors.ts'

function connect(jail: JailProcess, number: number): JailLinks {
  const path = jail.socketPath
  const tagged = (kind: 'control' | 'log') => {
    const socket = net.connect(path)
    socket.write(linkTag(kind, number))
    return socket
  }
  const log = tagged('log')
  log.on('error', () => {})
  return {
    control: new SocketLink(tagged('control')),
    data: new SlabLink(path, linkTag('data', number)),
    log
  }
}

/** Rejects when one of the links could not be made, or ended. */
function brokenLink({ control, data, log }: JailLinks): Promise<never> {
  return new Promise((_, reject) => {
    for (const socket of [control.socket, data.socket, log]) {
      socket.once('error', reject)
      socket.once('close', () => reject(new Error('a link to the launcher ended')))
    }
  })
}

/** Runs services in the sandbox of the level that it is given; never in another one. */
export class JailRunner implements Runner {
  readonly name = 'jail'
  readonly sockets: JailKeeper
  readonly #host: JailHost
  readonly #sandbox: SandboxReport

  constructor(host: JailHost, sandbox: SandboxReport) {
    this.#host = host
    this.#sandbox = sandbox
    this.sockets = new JailKeeper(host)
  }

  async start({ serviceEntry, onLog, level }: StartRequest): Promise<Incarnation> {
    const jail = await this.#host.open(serviceEntry, line => onLog(`xtp-jail: ${line}`, 'log'))
    const sandbox = {
      ...this.#sandbox,
      ...(level !== undefined && { level, reason: `asked for ${level}` }),
      landlockAbi: jail.landlockAbi
    }
    const number = this.#host.nextNumber()
    // the jail obeys the command before it looks at the links, which are refused otherwise; it waits for links that do
    // not come until it is told to give the start up
    const started = jail.start(number, sandbox.level)
    started.catch(() => {})
    const links = connect(jail, number)
    try {
      const process = await Promise.race([started, brokenLink(links)])
      return new JailIncarnation({ ...process, jail, number, links, sandbox, onLog })
    } catch (broken) {
      jail.signal(number, 'SIGKILL')
      // a start that failed ends its links, too: what the jail says of it is more than that they ended, unless it is that
      // the start was given up here
      const error = await started.then(
        () => broken,
        why => (why instanceof JailError && why.failure.errno === 'ECANCELED' ? broken : why)
      )
      links.control.destroy()
      links.data.destroy()
      links.log.destroy()
      throw this.#startError(sandbox.level, error as Error)
    }
  }

  diagnose(exit: ExitInfo, logTail: readonly string[]): string | undefined {
    return exitRemedy(exit, logTail)
  }

  async close(): Promise<void> {
    await this.#host.close()
  }

  #startError(level: SandboxReport['level'], cause: Error): ServiceStartError {
    const why =
      cause instanceof JailError
        ? failureText(level, cause.failure, this.#host)
        : `${cause.message}`
    return new ServiceStartError(`could not start the service in its sandbox: ${why}`, { cause })
  }
}
