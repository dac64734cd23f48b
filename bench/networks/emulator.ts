// A running path_emulator, and processes on both sides of its path. Everything ends with it: namespaces and
// devices are gone when their last process is.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'

const root = path.resolve(import.meta.dirname, '../..')
const PROGRAM =
  process.env.XTP_PATH_EMULATOR ?? path.join(root, 'build/emulator/bench/networks/path_emulator')
const SIDE = path.join(import.meta.dirname, 'side.ts')
const LOOPBACK = '127.0.0.1'
const END_MS = 3000

const running = new Set<LineProcess>()

/** A program that says what it has to say in lines of JSON, and ends when its stdin does. */
export class LineProcess {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(command: string, args: string[], env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.on('error', () => {})
    this.#child.stdin?.on('error', () => {})
    const input = this.#child.stdout as NodeJS.ReadableStream
    this.#lines = createInterface({ input })[Symbol.asyncIterator]()
    running.add(this)
  }

  get pid(): number {
    return this.#child.pid as number
  }

  async next<T>(): Promise<T> {
    const line = await this.#lines.next()
    if (line.done) {
      throw new Error('a benchmark process ended before its time')
    }
    return JSON.parse(line.value) as T
  }

  say(message: object): void {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  async end(): Promise<void> {
    const child = this.#child
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit')
      child.stdin?.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
      await exit
      clearTimeout(timer)
    }
    running.delete(this)
  }
}

/** Ends everything that was started. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map(each => each.end()))
}

export interface LinkCounters {
  packets: number
  bytes: number
  lost: number
  dropped: number
  maxQueueBytes: number
}

interface Ready {
  user: string
  sides: Array<{ namespace: string; address: string }>
}

/** Servers are on side 0, clients on side 1. */
export type Side = 0 | 1

/** Where processes run that talk to each other. */
export interface Place {
  start(side: Side, args: string[]): LineProcess
  /** Ends it; of an emulated path, what became of the packets of each side. */
  end(): Promise<LinkCounters[]>
}

export const loopback: Place = {
  start: (_, args) =>
    new LineProcess(process.execPath, [SIDE, ...args], {
      ...process.env,
      XTP_BENCH_HOST: LOOPBACK
    }),
  end: async () => []
}

export class Emulator implements Place {
  readonly #process: LineProcess
  readonly #ready: Ready

  private constructor(process: LineProcess, ready: Ready) {
    this.#process = process
    this.#ready = ready
  }

  /** @throws where the system does not allow it; the program says on stderr what to do. */
  static async open(options: Record<string, string | number>): Promise<Emulator> {
    const args = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)])
    const started = new LineProcess(PROGRAM, args)
    try {
      return new Emulator(started, await started.next<Ready>())
    } catch (error) {
      await started.end()
      throw new Error('no network can be emulated here', { cause: error })
    }
  }

  start(side: Side, args: string[]): LineProcess {
    return this.startProgram(side, process.execPath, [SIDE, ...args])
  }

  startProgram(side: Side, program: string, args: string[]): LineProcess {
    const { user, sides } = this.#ready
    const { namespace, address } = sides[side] as Ready['sides'][number]
    const env = { ...process.env, XTP_BENCH_HOST: address }
    return new LineProcess(PROGRAM, ['enter', user, namespace, program, ...args], env)
  }

  async end(): Promise<LinkCounters[]> {
    const last = this.#process.next<{ links: LinkCounters[] }>().catch(() => undefined)
    await this.#process.end()
    return (await last)?.links ?? []
  }
}
