// Level L4: a group of cgroup v2 for each incarnation, made before its start and removed after its end. The launcher
// puts the service into it.
import fs from 'node:fs'
import path from 'node:path'
import type { JailFailure } from './jail-lines.ts'
import type { EnforcedLimit, ProcessLimits } from './runner.ts'

/** cpu.max counts in shares of this. */
const CPU_PERIOD_US = 100_000

/**
 * What a group counts where a process in it runs against a limit: the kernel ends a process for memory, and refuses a
 * thread beyond the number (https://docs.kernel.org/admin-guide/cgroup-v2.html).
 */
const EVENTS: Array<[limit: EnforcedLimit, file: string, count: RegExp]> = [
  ['memoryBytes', 'memory.events', /^oom_kill [1-9]/m],
  ['processes', 'pids.events', /^max [1-9]/m]
]

/** File of a group, controller that has it, and what to write. */
type Limit = [file: string, controller: string, value: string]

let made = 0

export class ServiceGroups {
  /** Of the paths of its groups: the number of an incarnation comes behind it. */
  readonly prefix: string
  readonly #folder: string
  readonly #given: Record<EnforcedLimit, number>
  readonly #limits: Limit[]
  /** Groups that are to be removed. */
  readonly #over = new Set<number>()

  /** @param folder - of cgroup v2, in which this user may make groups */
  constructor(folder: string, { memoryBytes, processes, cpu }: ProcessLimits) {
    this.#folder = folder
    this.#given = { memoryBytes, processes }
    this.prefix = path.join(folder, `xtp-${process.pid}-${made++}-`)
    const shares = `${Math.round(cpu * CPU_PERIOD_US)} ${CPU_PERIOD_US}`
    const all: Array<[number, ...Limit]> = [
      [memoryBytes, 'memory.max', 'memory', String(memoryBytes)],
      // or what is too much goes there
      [memoryBytes, 'memory.swap.max', 'memory', '0'],
      [processes, 'pids.max', 'pids', String(processes)],
      [cpu, 'cpu.max', 'cpu', shares]
    ]
    this.#limits = all.flatMap(([given, ...limit]) => (given > 0 ? [limit] : []))
  }

  /** Makes a group with its limits. Gives what failed, and then there is none. */
  make(number: number): JailFailure | undefined {
    this.#sweep()
    let step = 'cgroup_mkdir'
    try {
      const group = `${this.prefix}${number}`
      fs.mkdirSync(group)
      this.#over.delete(number)
      for (const [file, controller, value] of this.#limits) {
        step = `cgroup_${controller}`
        if (file === 'memory.swap.max' && !fs.existsSync(path.join(group, file))) {
          // a kernel without swap
          continue
        }
        // a group has the files of a controller when the folder above passes it on
        if (!fs.existsSync(path.join(group, file))) {
          write(path.join(this.#folder, 'cgroup.subtree_control'), `+${controller}`)
        }
        write(path.join(group, file), value)
      }
      return undefined
    } catch (error) {
      this.remove(number)
      return { step, errno: (error as NodeJS.ErrnoException).code ?? 'EIO' }
    }
  }

  /** Which of its limits the group ran against, if any. Those of groups above are none of ours. */
  exceeded(number: number): EnforcedLimit | undefined {
    const found = EVENTS.find(
      ([limit, file, count]) =>
        this.#given[limit] > 0 && count.test(read(path.join(`${this.prefix}${number}`, file)))
    )
    return found?.[0]
  }

  /** Removes a group, or later, where a process of it is not gone yet. */
  remove(number: number): void {
    this.#over.add(number)
    this.#sweep()
  }

  #sweep(): void {
    for (const number of this.#over) {
      if (removed(`${this.prefix}${number}`)) {
        this.#over.delete(number)
      }
    }
  }
}

/** Removes the empty groups that processes left which are no more. */
export function sweepGroups(folder: string): void {
  for (const name of list(folder)) {
    const pid = Number(/^xtp-([1-9]\d{0,9})-/.exec(name)?.[1])
    if (pid > 0 && !isAlive(pid)) {
      removed(path.join(folder, name))
    }
  }
}

/** Of the kernel: never made, where it is not there. */
function write(file: string, text: string): void {
  fs.writeFileSync(file, text, { flag: 'r+' })
}

/** Nothing where the group does not have it, or is gone. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

function removed(group: string): boolean {
  try {
    fs.rmdirSync(group)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function list(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
