// What the kernel says about processes. Linux only, as the tests that use it.
import fs from 'node:fs'

export interface ProcessInfo {
  pid: number
  parent: number
  command: string
}

/** Every live process; those that end meanwhile are left out. */
export function processes(): ProcessInfo[] {
  const found: ProcessInfo[] = []
  for (const entry of fs.readdirSync('/proc')) {
    if (/^\d+$/.test(entry)) {
      try {
        const stat = fs.readFileSync(`/proc/${entry}/stat`, 'utf8')
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        const command = fs
          .readFileSync(`/proc/${entry}/cmdline`, 'utf8')
          .replaceAll('\0', ' ')
          .trim()
        if (fields[0] !== 'Z') {
          found.push({ pid: Number(entry), parent: Number(fields[1]), command })
        }
      } catch {
        // ended while we looked
      }
    }
  }
  return found
}

export function children(pid = process.pid): ProcessInfo[] {
  return processes().filter(process => process.parent === pid)
}

export function isAlive(pid: number): boolean {
  return processes().some(process => process.pid === pid)
}

export function openFds(pid = process.pid): number {
  return fs.readdirSync(`/proc/${pid}/fd`).length
}

/** Resident memory in bytes. */
export function rss(pid = process.pid): number {
  return Number(fs.readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
}

/** CPU seconds (user and system) used so far by a process and its threads. */
export function cpuSeconds(pid = process.pid): number {
  let nanoseconds = 0
  for (const task of fs.readdirSync(`/proc/${pid}/task`)) {
    const text = fs.readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8')
    nanoseconds += Number(text.split(' ')[0])
  }
  return nanoseconds / 1e9
}

/** Paths of the files that a process has mapped. */
export function mappedFiles(pid = process.pid): string[] {
  const lines = fs.readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')
  return [...new Set(lines.map(line => line.split(/\s+/)[5] ?? '').filter(name => name !== ''))]
}

/** Polls until `holds`, or throws after `timeoutMs`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 5000
): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${timeoutMs} ms`)
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** A program that runs tests, or one test file. */
const isTest = /--test|\.test\.ts|mocha/

/** A process and everything below it that is alive. */
export function tree(pid = process.pid): number[] {
  const all = processes()
  const below = (parent: number): number[] => [
    parent,
    ...all.filter(info => info.parent === parent).flatMap(info => below(info.pid))
  ]
  return below(pid)
}

/**
 * Launchers and services of this checkout that nobody is responsible for any longer: no test is
 * among their ancestors. Tests that run at the same time kill applications, too: what those leave
 * is gone soon, and what leaks stays.
 */
export function abandoned(checkout: string): ProcessInfo[] {
  const all = new Map(processes().map(info => [info.pid, info]))
  const belongsToTest = (pid: number): boolean => {
    const info = all.get(pid)
    return info !== undefined && (isTest.test(info.command) || belongsToTest(info.parent))
  }
  return [...all.values()].filter(
    ({ pid, command }) =>
      command.includes(checkout) && /xtp-jail|service\.js/.test(command) && !belongsToTest(pid)
  )
}
