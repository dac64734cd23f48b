// A service that the jail started.
import fs from 'node:fs'
import type { Socket } from 'node:net'
import { ServiceStartError } from '../ctl/index.ts'
import type { JailProcess } from './jail-process.ts'
import { LogTail } from './log-tail.ts'
import type { ExitInfo, Incarnation, SandboxReport, StartRequest } from './runner.ts'
import type { SlabLink } from './slab-link.ts'
import type { SocketLink } from './socket-link.ts'

/** What a dead process left in its links and logs is read within this time. */
const END_AFTER_EXIT_MS = 500
/**
 * A jail that has not told of an end for so long after SIGKILL hangs. On a machine whose processors are all taken an
 * end can take seconds, and the kept sockets are lost with the jail: better too long than too short.
 */
const KILL_WAIT_MS = 10_000

export interface JailLinks {
  control: SocketLink
  data: SlabLink
  log: Socket
}

export interface JailIncarnationInit {
  jail: JailProcess
  number: number
  pid: number
  /** From the jail. */
  exit: Promise<ExitInfo>
  enforced: Incarnation['enforced']
  links: JailLinks
  sandbox: SandboxReport
  onLog: StartRequest['onLog']
}

export class JailIncarnation implements Incarnation {
  readonly jail: JailProcess
  /** What the jail calls it. */
  readonly number: number
  readonly pid: number
  readonly sandbox: SandboxReport
  readonly enforced: Incarnation['enforced']
  readonly control: SocketLink
  readonly data: SlabLink
  readonly exited: Promise<ExitInfo>
  readonly #log = new LogTail()
  #killTimer?: NodeJS.Timeout

  constructor(init: JailIncarnationInit) {
    const { jail, number, pid, exit, enforced, links, sandbox, onLog } = init
    this.jail = jail
    this.number = number
    this.pid = pid
    this.sandbox = sandbox
    this.enforced = enforced
    this.control = links.control
    this.data = links.data
    const logged = this.#log.read(links.log, line => onLog(line, 'log'))
    this.exited = exit.then(async info => {
      clearTimeout(this.#killTimer)
      if (info.exitCode === undefined && info.signal === undefined) {
        this.#log.add((await jail.ended).message)
      }
      const timer = setTimeout(() => {
        this.control.destroy()
        this.data.destroy()
        links.log.destroy()
      }, END_AFTER_EXIT_MS)
      await Promise.all([this.control.ended, this.data.ended, logged])
      clearTimeout(timer)
      return info
    })
  }

  get logTail(): readonly string[] {
    return this.#log.lines
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.jail.signal(this.number, signal)
    if (signal === 'SIGKILL' && this.#killTimer === undefined) {
      // the end of the jail is that of all it started
      this.#killTimer = setTimeout(() => this.jail.kill(), KILL_WAIT_MS)
      this.exited.then(() => clearTimeout(this.#killTimer))
    }
  }

  async verify(): Promise<void> {
    if (this.sandbox.level === 'L0') {
      return
    }
    for (const status of threadStatus(this.pid)) {
      const value = (name: string) => new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(status)?.[1]
      const filters = value('Seccomp_filters')
      const isLocked =
        value('NoNewPrivs') === '1' &&
        value('Seccomp') === '2' &&
        // the launcher's and the service's own; kernels before 5.9 do not count
        (filters === undefined || Number(filters) >= 2)
      if (!isLocked) {
        throw new ServiceStartError(
          `the service (pid ${this.pid}) says that it is locked in at ${this.sandbox.level}, and the kernel says that it is not: ` +
            'reinstall the transport package, which may have been tampered with'
        )
      }
    }
  }
}

/** What the kernel says of each thread; nothing where /proc does not show them. */
function threadStatus(pid: number): string[] {
  try {
    return fs.readdirSync(`/proc/${pid}/task`).flatMap(thread => {
      try {
        return [fs.readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')]
      } catch {
        // ended meanwhile
        return []
      }
    })
  } catch {
    return []
  }
}
