// What the processes of a contestant use: the client with its children, and the server with its own.
import fs from 'node:fs'
import { cpuSeconds, processes, tree } from '../../test/support/processes.ts'

const GB = 1e9

export interface CpuPerGb {
  all: number
  /** The rest is their services'. */
  applications: number
}

/** Bytes of a transfer that begins, or of one that is over. */
export type TransferEvent = { measuring: number } | { measured: number }

/** Both trees, as they are now: made after the first connection, so that all services run. */
export class Usage {
  readonly #pids: number[]
  readonly #applications: Set<number>
  readonly #launchers: Set<number>

  readonly #tell?: (event: TransferEvent) => void

  /** @param tell - for whoever looks at the processes from outside meanwhile */
  constructor(serverPid: number, tell?: (event: TransferEvent) => void) {
    if (tell !== undefined) {
      this.#tell = tell
    }
    this.#pids = [...tree(serverPid), ...tree()]
    this.#applications = new Set([serverPid, process.pid])
    this.#launchers = new Set(
      processes().flatMap(({ pid, command }) => (/^\S*xtp-jail\b/.test(command) ? [pid] : []))
    )
  }

  /** Seconds per GB of all processes together, for what `work` transfers, and of the two applications. */
  async cpuPerGb(bytes: number, work: () => Promise<void>): Promise<CpuPerGb> {
    const before = this.#cpu(this.#pids)
    const applicationsBefore = this.#cpu([...this.#applications])
    this.#tell?.({ measuring: bytes })
    await work()
    this.#tell?.({ measured: bytes })
    const gb = bytes / GB
    return {
      all: (this.#cpu(this.#pids) - before) / gb,
      applications: (this.#cpu([...this.#applications]) - applicationsBefore) / gb
    }
  }

  /** The most that was resident so far, in MB. */
  peakRss(): { rssParentMb: number; rssServiceMb: number; rssJailMb: number } {
    const most = (pids: number[]) => Math.max(0, ...pids.map(peakRssMb))
    const isJail = (pid: number) => this.#launchers.has(pid)
    const below = this.#pids.filter(pid => !this.#applications.has(pid))
    return {
      rssParentMb: most([...this.#applications]),
      rssServiceMb: most(below.filter(pid => !isJail(pid))),
      // the launcher and, from L3 on, the init of the namespace, of both sides
      rssJailMb: below.filter(isJail).reduce((sum, pid) => sum + peakRssMb(pid), 0) / 2
    }
  }

  #cpu(pids: number[]): number {
    return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  }
}

function peakRssMb(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) / 1000
}
