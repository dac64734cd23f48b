// One process of xtp-jail: commands go in, each answer finds the command that it belongs to. When the
// jail dies, everything that waits for it is rejected; the services die with it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { ServiceStartError, UnavailableError, type XtpError } from '../ctl/index.ts'
import {
  type BufferSizes,
  type JailEvent,
  type JailFailure,
  JailLineReader,
  jailCommand,
  parseJailEvent
} from './jail-lines.ts'
import { LogTail } from './log-tail.ts'
import type { ExitInfo, Incarnation, SandboxLevel, SocketAddress } from './runner.ts'
import type { ServiceGroups } from './service-groups.ts'
import { spawnError } from './start-errors.ts'

/** The jail works for milliseconds at most; one that says nothing for this long hangs. */
const ANSWER_MS = 10_000
/** After the end of its stdin. */
const END_MS = 2_000
/** Number of the group in which a level is probed: no incarnation has it. */
const PROBE = 0
/** Between its end and that of its pipes. */
const CLOSE_MS = 500

export interface JailProcessInit {
  /** The program xtp-jail. */
  file: string
  /** Its own options. */
  options: readonly string[]
  /** What it starts: absolute path and arguments. */
  command: readonly string[]
  env: Record<string, string>
  /** A line of its own, not an answer: complaints, connections that it refused. */
  onNote(line: string): void
  /** Those of L4, where it was given their prefix. */
  groups?: ServiceGroups
}

/** A command that the jail did not obey. */
export class JailError extends Error {
  override name = 'JailError'
  readonly failure: JailFailure

  constructor(failure: JailFailure) {
    super(`xtp-jail: ${failure.step}: ${failure.errno}`)
    this.failure = failure
  }
}

type Answer = Exclude<JailEvent, { kind: 'refused' | 'fatal' | 'exit' }>

interface Waiting {
  resolve(answer: Answer): void
  reject(error: Error): void
}

/** For which command an event is the answer. */
function keyOf(event: Answer): string {
  switch (event.kind) {
    case 'hello':
      return 'hello'
    case 'bound':
      return `bind ${event.id}`
    case 'closed':
      return `close ${event.id}`
    case 'started':
    case 'failed':
      return `start ${event.number}`
    case 'given':
      return `give ${event.number} ${event.id}`
    case 'probed':
      return `probe ${event.level}`
    case 'error':
      return [event.command, event.number, event.id].filter(word => word !== undefined).join(' ')
  }
}

const SIGNALS = new Map<number, string>()
for (const [name, number] of Object.entries(os.constants.signals)) {
  // some have two names; the first is the usual one
  if (!SIGNALS.has(number)) {
    SIGNALS.set(number, name)
  }
}

function exitInfo({ how, value, maxRssKb, cpuMs }: Extract<JailEvent, { kind: 'exit' }>): ExitInfo {
  const end =
    how === 'code' ? { exitCode: value } : { signal: SIGNALS.get(value) ?? `signal ${value}` }
  return { ...end, maxRssBytes: maxRssKb * 1024, cpuMs }
}

export class JailProcess {
  /** Resolves, with how, when the process is gone. */
  readonly ended: Promise<XtpError>
  readonly #child: ChildProcess
  readonly #onNote: (line: string) => void
  readonly #groups?: ServiceGroups
  readonly #reader = new JailLineReader()
  readonly #waiting = new Map<string, Waiting[]>()
  readonly #exits = new Map<number, (exit: ExitInfo) => void>()
  readonly #log = new LogTail()
  #hello?: Extract<JailEvent, { kind: 'hello' }>
  /** Why it must not be used any more. */
  #broken?: XtpError
  #users = 0

  private constructor(
    child: ChildProcess,
    { onNote, groups }: Pick<JailProcessInit, 'onNote' | 'groups'>
  ) {
    this.#child = child
    this.#onNote = onNote
    this.#groups = groups
    child.on('error', () => {})
    // its end shows elsewhere
    child.stdin?.on('error', () => {})
    child.stdout?.on('error', () => {})
    child.stdout?.on('data', chunk => this.#onOutput(chunk))
    this.#log.read(child.stderr as Socket, line => onNote(line))
    this.ended = new Promise(resolve => {
      child.once('exit', async (code, signal) => {
        // what it said at its end is read first
        await Promise.race([once(child, 'close'), delay(CLOSE_MS, undefined, { ref: false })])
        this.#break(this.#deathOf(code, signal))
        resolve(this.#broken as XtpError)
      })
    })
    this.#use(0)
  }

  /**
   * Starts the program and waits until it says what it is.
   *
   * @throws ServiceStartError with the remedy, and with `errno` where it could not be executed
   */
  static async start(init: JailProcessInit): Promise<JailProcess> {
    const { file, options, command, env } = init
    let child: ChildProcess
    try {
      child = spawn(file, [...options, '--', ...command], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env,
        cwd: '/'
      })
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve)
        child.once('error', reject)
      })
    } catch (error) {
      throw spawnError(file, error as NodeJS.ErrnoException)
    }
    const jail = new JailProcess(child, init)
    try {
      jail.#hello = (await jail.#ask('hello')) as Extract<JailEvent, { kind: 'hello' }>
    } catch (cause) {
      jail.kill()
      throw new ServiceStartError(
        `the launcher ${file} did not start: ${(cause as Error).message}`,
        { cause, logTail: [...jail.#log.lines] }
      )
    }
    return jail
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** Path of its socket, for `net.connect`. */
  get socketPath(): string {
    return `\0${this.#hello?.socketName}`
  }

  get landlockAbi(): number {
    return this.#hello?.landlockAbi ?? 0
  }

  /** It can be asked for something. */
  get isAlive(): boolean {
    return this.#broken === undefined
  }

  /**
   * Keeps a socket; gives its true port.
   *
   * @throws JailError, UnavailableError
   */
  async bind(id: string, address: SocketAddress, sizes: BufferSizes): Promise<number> {
    const answer = await this.#ask(`bind ${id}`, jailCommand.bind(id, address, sizes))
    return (answer as Extract<JailEvent, { kind: 'bound' }>).port
  }

  /** @throws JailError, UnavailableError */
  async closeSocket(id: string): Promise<void> {
    await this.#ask(`close ${id}`, jailCommand.close(id))
  }

  /** @throws JailError, UnavailableError */
  async give(number: number, id: string): Promise<void> {
    await this.#ask(`give ${number} ${id}`, jailCommand.give(number, id))
  }

  /** Tries all of stage 1. Gives what failed, or nothing. */
  async probe(level: SandboxLevel): Promise<JailFailure | undefined> {
    const group = this.#makeGroup(PROBE, level)
    if (group instanceof JailError) {
      return group.failure
    }
    try {
      const answer = await this.#ask(`probe ${level}`, jailCommand.probe(level))
      return (answer as Extract<JailEvent, { kind: 'probed' }>).failure
    } finally {
      group?.remove(PROBE)
    }
  }

  /**
   * Starts incarnation `number`. The command is written when this returns, unless the jail has not read for long: its three
   * links may connect from then on.
   *
   * @returns its pid, how it will have ended (nothing is known where the jail died first), and what enforces its limits
   * @throws JailError, UnavailableError
   */
  async start(
    number: number,
    level: SandboxLevel
  ): Promise<{ pid: number; exit: Promise<ExitInfo>; enforced: Incarnation['enforced'] }> {
    const group = this.#makeGroup(number, level)
    if (group instanceof JailError) {
      throw group
    }
    const exit = Promise.withResolvers<ExitInfo>()
    this.#exits.set(number, exit.resolve)
    this.#use(1)
    const ended = exit.promise.then(info => {
      const exceeded = group?.exceeded(number)
      group?.remove(number)
      this.#use(-1)
      return exceeded === undefined ? info : { ...info, exceeded }
    })
    const enforced = group && { exceeded: () => group.exceeded(number) }
    try {
      const answer = await this.#ask(`start ${number}`, jailCommand.start(number, level))
      const { pid } = answer as Extract<JailEvent, { kind: 'started' }>
      return { pid, exit: ended, enforced }
    } catch (error) {
      this.#exits.delete(number)
      exit.resolve({})
      throw error
    }
  }

  /** The groups, where the level needs one and it was made. */
  #makeGroup(number: number, level: SandboxLevel): ServiceGroups | JailError | undefined {
    const groups = level === 'L4' ? this.#groups : undefined
    const failure = groups?.make(number)
    return failure === undefined ? groups : new JailError(failure)
  }

  /** Ends an incarnation, or gives up its start. */
  signal(number: number, signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#write(jailCommand.kill(number, signal))
  }

  /** The orderly end, which ends its services too. Resolves when it is gone. */
  async end(): Promise<void> {
    this.#use(1)
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.kill(), END_MS)
    await this.ended
    clearTimeout(timer)
    this.#use(-1)
  }

  /** The end at once. Its services die with it. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  // ---- commands and their answers ----

  async #ask(key: string, command?: string): Promise<Answer> {
    if (this.#broken !== undefined) {
      throw this.#broken
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) {
      this.#waiting.set(key, [{ resolve, reject }])
    } else {
      waiting.push({ resolve, reject })
    }
    const timer = setTimeout(() => {
      this.#fail(`did not answer "${key}" within ${ANSWER_MS} ms`)
    }, ANSWER_MS)
    this.#use(1)
    try {
      if (command !== undefined) {
        this.#write(command)
      }
      return await promise
    } finally {
      clearTimeout(timer)
      this.#use(-1)
    }
  }

  #write(command: string): void {
    if (this.#broken === undefined) {
      this.#child.stdin?.write(command)
    }
  }

  #onOutput(chunk: Uint8Array): void {
    if (this.#broken !== undefined) {
      return
    }
    try {
      for (const line of this.#reader.push(chunk)) {
        this.#onEvent(parseJailEvent(line))
      }
    } catch (error) {
      this.#fail((error as Error).message)
    }
  }

  #onEvent(event: JailEvent): void {
    switch (event.kind) {
      case 'refused':
        this.#onNote(`refused a connection: ${event.reason}`)
        return
      case 'fatal':
        this.#log.add(`${event.step}: ${event.errno}`)
        return
      case 'exit':
        this.#exits.get(event.number)?.(exitInfo(event))
        this.#exits.delete(event.number)
        return
    }
    const key = keyOf(event)
    const waiting = this.#waiting.get(key)?.shift()
    if (waiting === undefined) {
      throw new UnavailableError(`answered "${key}", which nobody asked`)
    }
    if (this.#waiting.get(key)?.length === 0) {
      this.#waiting.delete(key)
    }
    if (event.kind === 'failed') {
      waiting.reject(new JailError({ step: event.step, errno: event.errno }))
    } else if (event.kind === 'error') {
      waiting.reject(new JailError({ step: event.command, errno: event.errno }))
    } else {
      waiting.resolve(event)
    }
  }

  // ---- the end ----

  /** It cannot be relied on any more. */
  #fail(why: string): void {
    this.#break(new UnavailableError(`xtp-jail (pid ${this.pid}) ${why}`))
    this.kill()
  }

  #break(error: XtpError): void {
    if (this.#broken === undefined) {
      this.#broken = error
      const all = [...this.#waiting.values()].flat()
      this.#waiting.clear()
      for (const { reject } of all) {
        reject(error)
      }
    }
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      // the kernel ends the services with it; how each of them ended, nobody knows
      for (const resolve of this.#exits.values()) {
        resolve({})
      }
      this.#exits.clear()
    }
  }

  #deathOf(code: number | null, signal: string | null): XtpError {
    const last = this.#log.lines.at(-1)
    return new UnavailableError(
      `xtp-jail (pid ${this.pid}) ended (${signal ?? `exit code ${code}`})` +
        `${last === undefined ? '' : `; its last line: ${last}`}`
    )
  }

  /** Only while something is expected of it does it keep this process from ending by itself. */
  #use(change: 1 | 0 | -1): void {
    this.#users += change
    const handles = [this.#child, this.#child.stdin, this.#child.stdout, this.#child.stderr]
    for (const handle of handles as unknown as Array<Pick<Socket, 'ref' | 'unref'>>) {
      if (this.#users > 0) {
        handle.ref()
      } else {
        handle.unref()
      }
    }
  }
}
