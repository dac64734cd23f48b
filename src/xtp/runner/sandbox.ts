// Which sandbox services get: the options, the choice, and the runner that makes it at the first start
// and stays with it. What is weaker than the choice is never used, whatever happens later.
import fs from 'node:fs'
import path from 'node:path'
import { InvalidArgumentError, SandboxUnavailableError, ServiceStartError } from '../ctl/index.ts'
import { delegatedCgroup, ownCgroup } from './cgroup.ts'
import { DirectRunner } from './direct-runner.ts'
import { findJail, type JailBinary } from './jail-binary.ts'
import { JailHost, type JailHostInit, type SandboxUser } from './jail-host.ts'
import type { JailFailure } from './jail-lines.ts'
import { JailError } from './jail-process.ts'
import { JailRunner } from './jail-runner.ts'
import type {
  ExitInfo,
  Incarnation,
  Runner,
  SandboxLevel,
  SandboxReport,
  SocketKeeper,
  StartRequest
} from './runner.ts'
import { failureReason, failureText, isPassing, levelsText } from './sandbox-words.ts'

export interface SandboxOptions {
  /**
   * `auto`, the default: the strongest of L3, L2 and L0 that works here. Any other: exactly that one, or
   * services do not start. L4 is L3 with limits of a cgroup, and needs a delegated one.
   */
  level?: 'auto' | SandboxLevel
  /** At least this level, or services do not start: SandboxUnavailableError. Default: none. */
  require?: 'L2' | 'L3' | 'L4'
  /**
   * Kill a service for every system call that is not known to be needed, instead of refusing it.
   * Default false.
   */
  strict?: boolean
  /** Who the service becomes where this process is root's. Default 65534:65534. */
  user?: SandboxUser
}

/** Who a service of root's becomes by default. */
export const NOBODY: SandboxUser = { uid: 65_534, gid: 65_534 }
const LEVELS: SandboxLevel[] = ['L0', 'L2', 'L3', 'L4']
const MAX_ID = 0xfffffffe

const isId = (id: unknown) => Number.isInteger(id) && (id as number) > 0 && (id as number) <= MAX_ID

/**
 * Checks what a user wrote.
 *
 * @throws InvalidArgumentError that names the option
 */
export function checkSandboxOptions(options: SandboxOptions): void {
  const { level = 'auto', require, strict = false, user } = options
  if (level !== 'auto' && !LEVELS.includes(level)) {
    throw new InvalidArgumentError(`sandbox.level must be auto, L0, L2, L3 or L4, not ${level}`)
  }
  if (require !== undefined && (!LEVELS.includes(require) || (require as string) === 'L0')) {
    throw new InvalidArgumentError(`sandbox.require must be L2, L3 or L4, not ${require}`)
  }
  if (level !== 'auto' && require !== undefined && level < require) {
    throw new InvalidArgumentError(
      `sandbox.level ${level} is less than sandbox.require ${require}: leave one of them out`
    )
  }
  if (typeof strict !== 'boolean') {
    throw new InvalidArgumentError(`sandbox.strict must be true or false, not ${strict}`)
  }
  if (user !== undefined && !(isId(user.uid) && isId(user.gid))) {
    throw new InvalidArgumentError(
      'sandbox.user must be { uid, gid }, two whole numbers, neither of them root’s'
    )
  }
}

export interface SandboxRunnerInit extends Omit<JailHostInit, 'file' | 'user' | 'cgroup'> {
  /** Default: `{ level: 'auto' }`. */
  sandbox?: SandboxOptions
  /** The launcher, for tests. Default: that of the package. */
  jail?: JailBinary
}

/** The runner of the level that was chosen, and what was started to find out. */
interface Choice {
  runner: Runner
  first?: Incarnation
}

/** Runs services in the strongest sandbox that the options allow and this machine has. */
export class SandboxRunner implements Runner {
  readonly #init: SandboxRunnerInit
  /** The choice, for the life of this runner. */
  #chosen?: Runner
  #choosing?: Promise<Choice>
  #host?: JailHost

  /** @throws InvalidArgumentError that names the option */
  constructor(init: SandboxRunnerInit = {}) {
    checkSandboxOptions(init.sandbox ?? {})
    this.#init = init
  }

  get name(): string {
    return this.#chosen?.name ?? 'sandbox'
  }

  get sockets(): SocketKeeper | undefined {
    return this.#chosen?.sockets
  }

  async start(request: StartRequest): Promise<Incarnation> {
    if (this.#chosen !== undefined) {
      return this.#chosen.start(request)
    }
    if (this.#choosing !== undefined) {
      const { runner } = await this.#choosing
      return runner.start(request)
    }
    this.#choosing = this.#choose(request).finally(() => {
      this.#choosing = undefined
    })
    const { runner, first } = await this.#choosing
    this.#chosen = runner
    return first ?? runner.start(request)
  }

  diagnose(exit: ExitInfo, logTail: readonly string[]): string | undefined {
    return this.#chosen?.diagnose(exit, logTail)
  }

  async close(): Promise<void> {
    await this.#choosing?.catch(() => {})
    await this.#chosen?.close()
    await this.#host?.close()
  }

  /** @throws SandboxUnavailableError; ServiceStartError where nothing is decided yet */
  async #choose(request: StartRequest): Promise<Choice> {
    const { sandbox = {}, jail = findJail(), execPath, execArgv, env } = this.#init
    const { level = 'auto', require } = sandbox
    const direct = (reason: string) => ({
      runner: new DirectRunner({
        execPath,
        env,
        reason,
        ...(execArgv !== undefined && { execArgv: [...execArgv] })
      })
    })
    if (level === 'L0') {
      return direct('switched off: sandbox.level is L0')
    }
    const reasons: string[] = []
    if ('missing' in jail) {
      reasons.push(jail.missing)
    } else {
      const found = await this.#strongest(jail.file, request, reasons)
      if (found !== undefined) {
        return found
      }
    }
    const wanted = level === 'auto' ? require : level
    if (wanted !== undefined) {
      throw new SandboxUnavailableError(
        `sandbox level ${wanted} was required and is not available, so nothing was started: ${reasons.join('; ')}`
      )
    }
    return direct(`no sandbox: ${reasons.join('; ')}`)
  }

  /** The strongest level that may be used and works, which a start shows; collects why others do not. */
  async #strongest(
    file: string,
    request: StartRequest,
    reasons: string[]
  ): Promise<Choice | undefined> {
    const { sandbox = {}, execPath, execArgv, env, readable } = this.#init
    const { level = 'auto', require = 'L2' } = sandbox
    const user = process.getuid?.() === 0 ? (sandbox.user ?? NOBODY) : undefined
    if (sandbox.user !== undefined && user === undefined) {
      throw new InvalidArgumentError('sandbox.user is for root alone: nobody else can become it')
    }
    const delegated = delegatedCgroup()
    const cgroup = delegated ?? (level === 'L4' || require === 'L4' ? ownCgroup() : undefined)
    const { limits, udpBufferBytes } = this.#init
    const own = { file, execPath, execArgv, env, readable, user, cgroup, limits, udpBufferBytes }
    const host = new JailHost(own)
    const candidates: SandboxLevel[] =
      level !== 'auto' ? [level] : cgroup === undefined ? ['L3', 'L2'] : ['L4', 'L3', 'L2']
    this.#host = host
    // levels that fail alike are told in one
    const failures = new Map<string, SandboxLevel[]>()
    try {
      for (const candidate of candidates.filter(name => name >= require)) {
        const report = { level: candidate, reason: this.#reason(candidate, texts(failures)) }
        const runner = new JailRunner(host, report)
        const tried = await this.#tryLevel(candidate, host, runner, request)
        if (typeof tried !== 'string') {
          return { runner, first: tried }
        }
        failures.set(tried, [...(failures.get(tried) ?? []), candidate])
      }
      reasons.push(...texts(failures))
    } catch (error) {
      await host.close()
      const { errno } = error as ServiceStartError
      // the launcher is there and cannot be executed at all: as good as missing
      if (errno !== 'EACCES' && errno !== 'ENOENT') {
        throw error
      }
      reasons.push((error as Error).message)
    }
    await host.close()
    return undefined
  }

  /** What was started in it, or why it does not work. */
  async #tryLevel(
    level: SandboxLevel,
    host: JailHost,
    runner: JailRunner,
    request: StartRequest
  ): Promise<Incarnation | string> {
    const { serviceEntry } = request
    const unreadable = host.user && firstUnreadable(host.user, level, [host.execPath, serviceEntry])
    if (unreadable !== undefined) {
      return `user ${host.user?.uid}, which the service becomes, may not read ${unreadable}: make it readable for everybody (chmod o+rX), install where it is, or set sandbox.user`
    }
    let first: Incarnation
    try {
      first = await runner.start(request)
    } catch (error) {
      const { cause } = error as ServiceStartError
      if (cause instanceof JailError) {
        return whyNot(level, cause.failure, host)
      }
      throw error
    }
    let failure: JailFailure | undefined
    try {
      failure = await probeWhatIsLeft(level, host, request)
    } catch (error) {
      await discard(first)
      throw error
    }
    if (failure === undefined) {
      return first
    }
    await discard(first)
    return whyNot(level, failure, host)
  }

  #reason(level: SandboxLevel, reasons: string[]): SandboxReport['reason'] {
    if (reasons.length > 0) {
      return reasons.join('; ')
    }
    const { level: asked = 'auto' } = this.#init.sandbox ?? {}
    if (asked !== 'auto') {
      return `asked for: sandbox.level is ${asked}`
    }
    return level === 'L4'
      ? 'the strongest there is'
      : 'the strongest without a delegated cgroup: `xtp doctor` says how to get one'
  }
}

/**
 * Gives what a start has not shown: whether the file tree can be taken away, which the service asks for later. Node starts
 * meanwhile.
 *
 * @throws ServiceStartError
 */
async function probeWhatIsLeft(
  level: SandboxLevel,
  host: JailHost,
  { serviceEntry, onLog }: StartRequest
): Promise<JailFailure | undefined> {
  if (level === 'L2') {
    return undefined
  }
  try {
    const jail = await host.open(serviceEntry, line => onLog(`xtp-jail: ${line}`, 'log'))
    return await jail.probe(level)
  } catch (cause) {
    throw new ServiceStartError(
      `could not find out which sandbox works here: ${(cause as Error).message}`,
      { cause }
    )
  }
}

/** @throws ServiceStartError where another try may go well */
function whyNot(level: SandboxLevel, failure: JailFailure, host: JailHost): string {
  if (isPassing(failure)) {
    throw new ServiceStartError(
      `could not find out which sandbox works here: ${failureText(level, failure, host)}: try again`
    )
  }
  return failureReason(level, failure, host)
}

/** Ends a service that nobody has seen. */
async function discard(incarnation: Incarnation): Promise<void> {
  incarnation.kill('SIGKILL')
  incarnation.control.destroy()
  incarnation.data.destroy()
  await incarnation.exited
}

const texts = (failures: Map<string, SandboxLevel[]>) =>
  [...failures].map(([reason, levels]) => levelsText(levels, reason))

/**
 * The first of `files`, or of the folders above it, that this user has no access to. The tree of L3 is
 * built by root: there the file alone counts.
 */
function firstUnreadable(
  user: SandboxUser,
  level: SandboxLevel,
  files: string[]
): string | undefined {
  for (const file of files) {
    const folders: string[] = []
    for (let at = path.dirname(file); level === 'L2'; at = path.dirname(at)) {
      folders.unshift(at)
      if (at === path.dirname(at)) {
        break
      }
    }
    for (const name of [...folders, file]) {
      // of a folder on the way it must be able to go through, of a file to read
      if (!isAllowed(user, name, name === file ? 4 : 1)) {
        return name
      }
    }
  }
  return undefined
}

function isAllowed({ uid, gid }: SandboxUser, file: string, bit: 4 | 1): boolean {
  try {
    const stat = fs.statSync(file)
    const shift = stat.uid === uid ? 6 : stat.gid === gid ? 3 : 0
    return ((stat.mode >> shift) & bit) !== 0
  } catch {
    // what is not there is told by whoever needs it
    return true
  }
}
