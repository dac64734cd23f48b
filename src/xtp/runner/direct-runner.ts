// Starts a service as an ordinary child process: sandbox level L0. Its links are stdio 3 and 4;
// never 'ipc', where one malformed line of a hostile child is an uncaught error of the parent.
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { cleanEnvironment } from './clean-environment.ts'
import { LogTail } from './log-tail.ts'
import type { ExitInfo, Incarnation, Runner, SandboxReport, StartRequest } from './runner.ts'
import { SocketLink } from './socket-link.ts'
import { exitRemedy, spawnError } from './start-errors.ts'

/** What a dead process left in its links and logs is read within this time. */
const END_AFTER_EXIT_MS = 500

export interface DirectRunnerInit {
  /** The Node binary. Default `process.execPath`. */
  execPath?: string
  /** Options of Node itself for the child, such as `--cpu-prof`. Default none: not the parent's. */
  execArgv?: string[]
  /** Added to the child's environment, which is otherwise TZ alone. */
  env?: Record<string, string>
  /** Why there is no sandbox, for the report. */
  reason?: string
}

const NO_SANDBOX = 'started directly: an ordinary process with a clean environment, no sandbox'

class DirectIncarnation implements Incarnation {
  readonly pid: number
  readonly sandbox: SandboxReport
  readonly control: SocketLink
  readonly data: SocketLink
  readonly exited: Promise<ExitInfo>
  readonly #log = new LogTail()
  readonly #child: ChildProcess

  constructor(child: ChildProcess, sandbox: SandboxReport, onLog: StartRequest['onLog']) {
    this.#child = child
    this.sandbox = sandbox
    this.pid = child.pid as number
    // pipes of child_process are unix stream sockets, full duplex
    this.control = new SocketLink(child.stdio[3] as Socket)
    this.data = new SocketLink(child.stdio[4] as Socket)
    const logged = [
      this.#log.read(child.stdout as Socket, line => onLog(line, 'stdout')),
      this.#log.read(child.stderr as Socket, line => onLog(line, 'stderr'))
    ]

    const exit = new Promise<ExitInfo>(resolve => {
      child.once('exit', (code, signal) => {
        resolve({ exitCode: code ?? undefined, signal: signal ?? undefined })
      })
    })
    this.exited = exit.then(async info => {
      // a grandchild may hold them open; what the process itself sent is there long before that
      const timer = setTimeout(() => this.#destroyAll(), END_AFTER_EXIT_MS)
      await Promise.all([this.control.ended, this.data.ended, ...logged])
      clearTimeout(timer)
      return info
    })
  }

  get logTail(): readonly string[] {
    return this.#log.lines
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal)
  }

  #destroyAll(): void {
    this.control.destroy()
    this.data.destroy()
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
  }
}

/** Runs services as ordinary child processes. */
export class DirectRunner implements Runner {
  readonly name = 'direct'
  readonly #init: DirectRunnerInit

  constructor(init: DirectRunnerInit = {}) {
    this.#init = init
  }

  async start({ serviceEntry, onLog }: StartRequest): Promise<Incarnation> {
    const { execPath = process.execPath, execArgv = [], env, reason = NO_SANDBOX } = this.#init
    let child: ChildProcess
    try {
      child = spawn(execPath, [...execArgv, serviceEntry], {
        stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
        env: cleanEnvironment(env),
        // holds no directory of the user's busy, and finds no node_modules of the user's
        cwd: '/',
        detached: false,
        windowsHide: true
      })
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve)
        child.once('error', reject)
      })
    } catch (error) {
      throw spawnError(execPath, error as NodeJS.ErrnoException)
    }
    // later errors are failed signals to a process that is gone
    child.on('error', () => {})
    return new DirectIncarnation(child, { level: 'L0', reason }, onLog)
  }

  diagnose(exit: ExitInfo, logTail: readonly string[]): string | undefined {
    return exitRemedy(exit, logTail)
  }

  async close(): Promise<void> {}
}
