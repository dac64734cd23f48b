// The jail of one transport, over any number of its processes: started when it is first needed, and
// again after it died.
import { ServiceStartError } from '../ctl/index.ts'
import { cleanEnvironment } from './clean-environment.ts'
import { JailProcess } from './jail-process.ts'
import { readablePaths } from './readable-paths.ts'
import type { ProcessLimits } from './runner.ts'
import { ServiceGroups, sweepGroups } from './service-groups.ts'

/** Who a service of root's becomes. */
export interface SandboxUser {
  uid: number
  gid: number
}

export interface JailHostInit {
  /** The program xtp-jail. */
  file: string
  /** The Node binary. Default `process.execPath`. */
  execPath?: string
  /** Options of Node itself for the service. Default none: not the parent's. */
  execArgv?: readonly string[]
  /** Added to the service's environment, which is otherwise TZ and OPENSSL_CONF. */
  env?: Record<string, string>
  /** Files and folders that the service may read besides Node and its own. */
  readable?: readonly string[]
  /** Only where this process is root's, and needed then. */
  user?: SandboxUser
  /** For level L4: a folder of cgroup v2 that was delegated to this user. */
  cgroup?: string
  /** Default: none. */
  limits?: ProcessLimits
  /**
   * Receive and send buffer of each kept socket, as far as the system allows: datagrams wait there while no service
   * lives. A service may not change it. Default 4 MiB, as services ask for where they bind their sockets themselves.
   */
  udpBufferBytes?: number
}

const DEFAULT_UDP_BUFFER_BYTES = 4 << 20

/** V8 reserves address space that it does not use; with too little of it, it does not even start. */
const RESERVED_BYTES = 2 ** 30

/** 0: none. */
const NO_LIMITS: ProcessLimits = { memoryBytes: 0, openFiles: 0, processes: 0, cpu: 0 }

/** Node reads the system's OpenSSL configuration otherwise, which a service cannot. */
const SERVICE_ENVIRONMENT = { OPENSSL_CONF: '/dev/null' }

export class JailHost {
  readonly #init: JailHostInit
  #entry?: string
  #opening?: Promise<JailProcess>
  #current?: JailProcess
  #number = 0
  #onNote: (line: string) => void = () => {}

  constructor(init: JailHostInit) {
    this.#init = init
  }

  get execPath(): string {
    return this.#init.execPath ?? process.execPath
  }

  get udpBufferBytes(): number {
    return this.#init.udpBufferBytes ?? DEFAULT_UDP_BUFFER_BYTES
  }

  get user(): SandboxUser | undefined {
    return this.#init.user
  }

  /** The running jail. */
  get current(): JailProcess | undefined {
    return this.#current?.isAlive ? this.#current : undefined
  }

  /** Of the next incarnation: greater than all before, in whichever jail. */
  nextNumber(): number {
    this.#number += 1
    return this.#number
  }

  /**
   * The running jail; starts one where there is none.
   *
   * @param onNote - called for what this jail complains about
   * @throws ServiceStartError
   */
  async open(serviceEntry: string, onNote: (line: string) => void): Promise<JailProcess> {
    if (this.#entry !== undefined && this.#entry !== serviceEntry) {
      throw new ServiceStartError(
        `this runner starts ${this.#entry} and nothing else: give ${serviceEntry} a runner of its own`
      )
    }
    this.#entry = serviceEntry
    this.#onNote = onNote
    if (this.current !== undefined) {
      return this.current
    }
    this.#opening ??= this.#open(serviceEntry).finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  /** Ends the jail. A later `open` starts another one. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => {})
    await this.#current?.end()
    this.#current = undefined
  }

  async #open(serviceEntry: string): Promise<JailProcess> {
    const { file, execArgv = [], env = {}, readable } = this.#init
    const paths = await readablePaths(this.execPath, serviceEntry, readable)
    const groups = this.#groups()
    this.#current = await JailProcess.start({
      file,
      options: [...paths.flatMap(name => ['--ro', name]), ...this.#options(groups)],
      command: [this.execPath, ...execArgv, serviceEntry],
      env: cleanEnvironment({ ...SERVICE_ENVIRONMENT, ...env }),
      onNote: line => this.#onNote(line),
      ...(groups !== undefined && { groups })
    })
    return this.#current
  }

  #groups(): ServiceGroups | undefined {
    const { cgroup, limits } = this.#init
    if (cgroup === undefined) {
      return undefined
    }
    sweepGroups(cgroup)
    return new ServiceGroups(cgroup, limits ?? NO_LIMITS)
  }

  #options(groups?: ServiceGroups): string[] {
    const { user, limits = NO_LIMITS } = this.#init
    const { memoryBytes, openFiles } = limits
    const option = (name: string, wanted: boolean, value: number | string | undefined) =>
      wanted ? [name, String(value)] : []
    return [
      ...option('--uid', user !== undefined, user?.uid),
      ...option('--gid', user !== undefined, user?.gid),
      ...option('--nofile', openFiles > 0, openFiles),
      ...option('--data-bytes', memoryBytes > 0, memoryBytes + RESERVED_BYTES),
      ...option('--cgroup', groups !== undefined, groups?.prefix)
    ]
  }
}
