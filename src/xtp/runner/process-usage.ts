// What a process uses, as the kernel tells it. Linux only; elsewhere there is nothing to read.
import { readFile } from 'node:fs/promises'

export interface ProcessUsage {
  rssBytes: number
  /** User and system, since the start of the process. */
  cpuMs: number
  threads: number
}

// CLK_TCK, which is 100 on every Linux that Node runs on
const TICK_MS = 10

/** Undefined where the process is gone or the system does not tell. */
export async function processUsage(pid: number): Promise<ProcessUsage | undefined> {
  if (process.platform !== 'linux') {
    return undefined
  }
  try {
    const [stat, status] = await Promise.all(
      ['stat', 'status'].map(name => readFile(`/proc/${pid}/${name}`, 'latin1'))
    )
    return parseUsage(stat as string, status as string)
  } catch {
    return undefined
  }
}

/** Of the files of proc(5). The name of the program is in parentheses, and may have any character. */
export function parseUsage(stat: string, status: string): ProcessUsage | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user, system, threads] = [11, 12, 17].map(i => Number(fields[i]))
  const [, kib] = /^VmRSS:\s*(\d+) kB$/m.exec(status) ?? []
  if (user === undefined || system === undefined || threads === undefined || kib === undefined) {
    return undefined
  }
  return { rssBytes: Number(kib) * 1024, cpuMs: (user + system) * TICK_MS, threads }
}
