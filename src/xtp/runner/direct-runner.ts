// Starts a service as an ordinary child process: sandbox level L0. Its links are stdio 3 and 4;
// never 'ipc', where one malformed line of a hostile child is an uncaught error of the parent.
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { ServiceStartError } from '../ctl/index.ts'
import { LogLines } from './log-lines.ts'
import type { ExitInfo, Incarnation, Runner, SandboxReport, StartRequest } from './runner.ts'
import { SocketLink } from './socket-link.ts'

/** Lines of output that an error about the process carries. */
const LOG_TAIL_LINES = 20
/** What a dead process left in its links and logs is read within this time. */
const END_AFTER_EXIT_MS = 500

export interface DirectRunnerInit {
  /** The Node binary. Default `process.execPath`. */
  execPath?: string
  /** Options of Node itself for the child, such as `--cpu-prof`. Default none: not the parent's. */
  execArgv?: string[]
  /** Added to the child's environment, which is otherwise TZ alone. */
  env?: Record<string, string>
}

const SANDBOX: SandboxReport = {
  level: 'L0',
  reason: 'started directly: an ordinary process with a clean environment, no sandbox'
}

// no PATH, HOME, NODE_OPTIONS, credentials: the service needs none of them, and may be taken over
function cleanEnvironment(added: Record<string, string>): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    const wanted =
      name === 'TZ' ||
      // node does not start without it
      (process.platform === 'win32' && name.toUpperCase() === 'SYSTEMROOT')
    if (wanted && value !== undefined) {
      env[name] = value
    }
  }
  return { ...env, ...added }
}

const SPAWN_REMEDY: Record<string, string> = {
  ENOENT: 'the Node binary is not there any more: was Node updated while this process ran?',
  EACCES: 'this user may not execute it: check its mode bits and the mount options',
  EAGAIN: 'the limit on processes is reached: raise `ulimit -u` or pids.max of the cgroup',
  ENOMEM: 'the system is out of memory',
  EMFILE: 'too many open files in this process: raise `ulimit -n`',
  ENFILE: 'too many open files in the system: raise fs.file-max'
}

function spawnError(execPath: string, cause: NodeJS.ErrnoException): ServiceStartError {
  const code = cause.code ?? 'unknown error'
  const remedy = SPAWN_REMEDY[code] ?? cause.message
  return new ServiceStartError(`could not start the service with ${execPath}: ${code}, ${remedy}`, {
    errno: cause.code,
    cause
  })
}

class DirectIncarnation implements Incarnation {
  readonly pid: number
  readonly sandbox = SANDBOX
  readonly control: SocketLink
  readonly data: SocketLink
  readonly exited: Promise<ExitInfo>
  readonly logTail: string[] = []
  readonly #child: ChildProcess

  constructor(child: ChildProcess, onLog: StartRequest['onLog']) {
    this.#child = child
    this.pid = child.pid as number
    // pipes of child_process are unix stream sockets, full duplex
    this.control = new SocketLink(child.stdio[3] as Socket)
    this.data = new SocketLink(child.stdio[4] as Socket)
    const logged = [
      this.#readLog(child.stdout as Socket, 'stdout', onLog),
      this.#readLog(child.stderr as Socket, 'stderr', onLog)
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

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal)
  }

  /** Resolves at the end of the stream. */
  #readLog(
    stream: Socket,
    source: 'stdout' | 'stderr',
    onLog: StartRequest['onLog']
  ): Promise<void> {
    const lines = new LogLines(line => {
      this.logTail.push(line)
      if (this.logTail.length > LOG_TAIL_LINES) {
        this.logTail.shift()
      }
      onLog(line, source)
    })
    stream.on('data', chunk => lines.push(chunk))
    stream.on('error', () => {})
    return new Promise(resolve => {
      stream.once('close', () => {
        lines.flush()
        resolve()
      })
    })
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
    const { execPath = process.execPath, execArgv = [], env = {} } = this.#init
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
    return new DirectIncarnation(child, onLog)
  }

  diagnose({ exitCode, signal }: ExitInfo, logTail: readonly string[]): string | undefined {
    if (exitCode === 78) {
      return 'the service and this client speak different versions of xtp-ctl: install matching versions of xtp and of the transport package'
    }
    if (exitCode === 69) {
      return 'the addon of the service could not be loaded or started: see its last lines'
    }
    if (logTail.some(line => line.includes('Cannot find module'))) {
      return 'the bundled file of the service is missing: reinstall the transport package, or run its build'
    }
    if (signal === 'SIGILL' || signal === 'SIGBUS') {
      return 'the addon does not fit this processor or system: build it from source'
    }
    if (signal === 'SIGKILL') {
      return 'it was killed from outside: the system may be out of memory'
    }
    return undefined
  }

  async close(): Promise<void> {}
}
