// Drives the real xtp-jail as a parent does, with nothing in between: each command is a line, each
// event can be waited for.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { errnoName } from '../../src/xtp/runner/jail-lines.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const JAIL = `src/xtp/prebuilds/${process.platform}-${process.arch}/xtp-jail`

/** The programs of the tests, where every user can reach them; removed when this process ends. */
export const stage = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-sandbox-'))
fs.chmodSync(stage, 0o755)
process.on('exit', () => fs.rmSync(stage, { recursive: true, force: true }))

/** Puts a file of the repository, or an absolute one, into `folder`. */
export function place(file: string, folder = stage, name = path.basename(file)): string {
  const from = fs.realpathSync(path.resolve(ROOT, file))
  const to = path.join(folder, name)
  try {
    fs.linkSync(from, to)
  } catch {
    fs.copyFileSync(from, to)
  }
  return to
}

export const JAIL_PROGRAM = place(JAIL)
export const NODE = place(process.execPath, stage, 'node')
export const ECHO_SERVICE = place('test/fixtures/echo-service.mjs')

/** Without it node reads the system's OpenSSL configuration, which a service cannot. */
export const ENVIRONMENT = { OPENSSL_CONF: '/dev/null' }

/** What node needs to read so that it can run `service`. */
export function readablePaths(node: string, ...services: string[]): string[] {
  const script =
    'process.report.excludeNetwork = true; JSON.stringify(process.report.getReport().sharedObjects)'
  const all: string[] = JSON.parse(execFileSync(node, ['-p', script], { encoding: 'utf8' }))
  const libraries = all.filter(name => name.startsWith('/') && !name.endsWith('.node'))
  return [...new Set([node, ...libraries, '/etc/ld.so.cache', '/dev/null', ...services])]
}

export interface JailOptions {
  /** What the jail executes; node with the echo service if absent. */
  command?: string[]
  ro?: string[]
  /** Further options of the jail. */
  args?: string[]
  /** Who runs the jail itself. */
  uid?: number
  /** What starts the jail: its command line comes behind. */
  launcher?: string[]
  env?: NodeJS.ProcessEnv
}

export interface Links {
  control: net.Socket
  data: net.Socket
  log: net.Socket
}

export interface Service extends Links {
  number: number
  pid: number
}

export const NOBODY = 65534

/** The 8 bytes that a link begins with. */
export function tag(kind: string, number: number): Buffer {
  const bytes = Buffer.from(`XTP${kind}\0\0\0\0`)
  bytes.writeUInt32LE(number, 4)
  return bytes
}

/** The option that a jail needs from L2 where root runs it. */
export function userOption(uid?: number): string[] {
  return process.getuid?.() === 0 && uid === undefined
    ? ['--uid', `${NOBODY}`, '--gid', `${NOBODY}`]
    : []
}

/** An event as it came, the number of its error as a name. */
function named(line: string): string {
  return line.replace(
    /^((?:error|failed|probed|fatal) .*) (\d+)$/,
    (_, words, number) => `${words} ${errnoName(Number(number))}`
  )
}

export class JailDriver {
  readonly process: ChildProcess
  /** Everything it said, in order; errors by name. */
  readonly events: string[] = []
  stderr = ''
  readonly ended: Promise<[number | null, string | null]>
  /** The first event. */
  readonly hello: Promise<string>
  #rest = ''
  #taken = new Set<number>()
  #waiters: (() => void)[] = []
  #gone = false
  readonly #sockets: net.Socket[] = []

  constructor(options: JailOptions = {}) {
    const { command = [NODE, ECHO_SERVICE], args = [], uid, launcher = [] } = options
    const paths = options.ro ?? readablePaths(NODE, ECHO_SERVICE)
    const [program, ...words] = [
      ...launcher,
      JAIL_PROGRAM,
      ...(launcher.length === 0 ? userOption(uid) : []),
      ...paths.flatMap(name => ['--ro', name]),
      ...args,
      '--',
      ...command
    ]
    this.process = spawn(program as string, words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: options.env ?? ENVIRONMENT,
      cwd: '/',
      ...(uid !== undefined && { uid, gid: uid })
    })
    this.process.stdout?.setEncoding('latin1').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      this.events.push(...lines.map(named))
      this.#wake()
    })
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.process.stdin?.on('error', () => {})
    this.ended = once(this.process, 'close') as Promise<[number | null, string | null]>
    this.hello = this.expect(/^hello /)
    this.hello.catch(() => {})
    this.ended.then(
      () => {
        this.#gone = true
        this.#wake()
      },
      () => {}
    )
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) {
      waiter()
    }
  }

  get pid(): number {
    return this.process.pid as number
  }

  write(text: string | Uint8Array): void {
    this.process.stdin?.write(text)
  }

  /** Sends commands, and waits for nothing. */
  send(...lines: string[]): void {
    this.write(lines.map(line => `${line}\n`).join(''))
  }

  /** The first event that matches and was not waited for before. */
  async expect(pattern: RegExp, { timeoutMs = 10_000, take = true } = {}): Promise<string> {
    const late = performance.now() + timeoutMs
    for (;;) {
      const at = this.events.findIndex(
        (line, i) => !(take && this.#taken.has(i)) && pattern.test(line)
      )
      if (at >= 0) {
        if (take) {
          this.#taken.add(at)
        }
        return this.events[at] as string
      }
      const left = late - performance.now()
      if (this.#gone || left <= 0) {
        const seen = `${this.events.slice(-20).join('\n')}\n${this.stderr}`
        throw new Error(
          `${this.#gone ? 'the jail ended' : 'no event'}: ${pattern}; so far\n${seen}`
        )
      }
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left)
        this.#waiters.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** Sends a command and waits for its answer. */
  async ask(line: string, answer: RegExp): Promise<string> {
    this.send(line)
    return this.expect(answer)
  }

  /** The name of the jail's socket. */
  async socketName(): Promise<string> {
    const hello = await this.hello
    return hello.split(' ')[3] as string
  }

  /** A connection that says nothing yet. */
  async connect(): Promise<net.Socket> {
    const socket = net.connect(`\0${await this.socketName()}`)
    socket.on('error', () => {})
    this.#sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }

  async link(kind: string, number: number): Promise<net.Socket> {
    const socket = await this.connect()
    socket.write(tag(kind, number))
    return socket
  }

  async links(number: number): Promise<Links> {
    const [control, data, log] = await Promise.all([
      this.link('c', number),
      this.link('d', number),
      this.link('l', number)
    ])
    return { control, data, log }
  }

  /** Starts incarnation `number`, and waits until it runs. */
  async start(number: number, level: string): Promise<Service> {
    this.send(`start ${number} ${level}`)
    const links = await this.links(number)
    const said = await this.expect(new RegExp(`^(started|failed) ${number} `))
    if (said.startsWith('failed')) {
      throw new Error(said)
    }
    return { ...links, number, pid: Number(said.split(' ')[2]) }
  }

  /** Starts the echo service, and waits until it says that it is ready. */
  async startEcho(number: number, level: string): Promise<Service> {
    const service = await this.start(number, level)
    const said = await Promise.race([nextLine(service.control), this.exitOf(number)])
    if (said !== 'ready') {
      throw new Error(`incarnation ${number}: ${said}\n${service.log.read() ?? ''}`)
    }
    return service
  }

  /** How incarnation `number` ended: `code 0`, `signal 9`. */
  async exitOf(number: number): Promise<string> {
    // looked at, not taken: there is one for each number, and several may wait for it
    const line = await this.expect(new RegExp(`^exit ${number} `), { take: false })
    return line.split(' ').slice(2, 4).join(' ')
  }

  /** Forgets the events so far. */
  forget(): void {
    this.events.length = 0
    this.#taken.clear()
  }

  /** Closes every link. */
  disconnect(): void {
    for (const socket of this.#sockets.splice(0)) {
      socket.destroy()
    }
  }

  /** The orderly end. */
  async end(): Promise<[number | null, string | null]> {
    this.disconnect()
    this.process.stdin?.end()
    return this.ended
  }
}

/** Lets the echo service do something on its side; its answer. */
export async function order(service: Links, text: string): Promise<string> {
  const answer = nextLine(service.control)
  service.control.write(`${text}\n`)
  return answer
}

/** The next line that a link says. */
export async function nextLine(socket: net.Socket): Promise<string> {
  let line = ''
  while (!line.endsWith('\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    line += String(chunk)
  }
  return line.trim()
}

/** Sends `text`, and resolves with as many bytes that come back. */
export async function echo(socket: net.Socket, text: string): Promise<string> {
  let back = ''
  socket.write(text)
  while (back.length < text.length) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    back += chunk.toString('latin1')
  }
  return back
}

/** What each descriptor of a process is, from outside. */
export function descriptors(pid: number): Map<number, string> {
  const found = new Map<number, string>()
  for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
    try {
      found.set(Number(fd), fs.readlinkSync(`/proc/${pid}/fd/${fd}`))
    } catch {
      // closed while we looked
    }
  }
  return found
}

/** One field of /proc/PID/status. */
export function status(pid: number, field: string): string {
  const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8')
  return new RegExp(`^${field}:[ \\t]*(.*)$`, 'm').exec(text)?.[1] ?? ''
}
