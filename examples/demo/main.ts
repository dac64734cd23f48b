// npm run demo: a file goes from one libp2p node to another over uTP, QUIC or UDT (`-- --transport NAME`), that runs
// in child processes; the receiver's service is killed on the way; everything comes back on the same port.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { sendFile } from './file-protocol.ts'
import { createNode, TRANSPORTS, type TransportName } from './node.ts'
import { Progress } from './progress.ts'

const { values, positionals } = parseArgs({
  options: {
    size: { type: 'string', default: '256' },
    transport: { type: 'string', default: 'utp' }
  },
  allowPositionals: true
})
if (!(values.transport in TRANSPORTS)) {
  const names = Object.keys(TRANSPORTS).join(' and ')
  console.error(`transport ${values.transport} is not there: this version has ${names}`)
  process.exit(2)
}
const name = values.transport as TransportName
const LABEL = { utp: 'uTP', quic: 'QUIC', udt: 'UDT' }[name]
/** What the sender may see: nobody is left who could tell it that a QUIC connection is over. */
const ENDS = {
  utp: ['ERR_XTP_CONNECTION_RESET'],
  quic: ['ERR_XTP_CONNECTION_TIMED_OUT', 'ERR_XTP_CONNECTION_RESET'],
  udt: ['ERR_XTP_CONNECTION_RESET']
}[name]
const SUFFIX = { utp: '/utp', quic: '/quic-v1', udt: '/udt' }[name]

interface ReceiverState {
  state: string
  pid?: number
  restarts: number
  error?: { name: string; code: string; message: string }
  addresses: string[]
}

interface Source {
  label: string
  size: number
  read(offset: number, length: number): Uint8Array
}

/** Pseudo-random bytes that do not repeat within the file: 8 MiB of noise, numbered per MiB. */
function generated(size: number): Source {
  const noise = new Uint8Array(8 * 2 ** 20)
  let state = 0x2545f491
  const words = new Uint32Array(noise.buffer)
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return {
    label: `${size / 2 ** 20} MiB of generated data`,
    size,
    read(offset, length) {
      const at = offset % noise.length
      const bytes = noise.slice(at, Math.min(at + length, noise.length))
      new DataView(bytes.buffer).setUint32(0, offset / 65536)
      return bytes
    }
  }
}

function fromFile(name: string): Source {
  const fd = fs.openSync(name, 'r')
  return {
    label: path.basename(name),
    size: fs.fstatSync(fd).size,
    read(offset, length) {
      const bytes = new Uint8Array(length)
      let got = 0
      while (got < length) {
        const n = fs.readSync(fd, bytes, got, length - got, offset + got)
        if (n === 0) {
          throw new Error(`${name} became shorter while it was sent`)
        }
        got += n
      }
      return bytes
    }
  }
}

function sha256(source: Source): string {
  const hash = createHash('sha256')
  for (let offset = 0; offset < source.size; offset += 65536) {
    hash.update(source.read(offset, Math.min(65536, source.size - offset)))
  }
  return hash.digest('hex')
}

class Receiver {
  readonly #child = spawn(process.execPath, [path.join(import.meta.dirname, 'receiver.ts'), name], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  readonly #waiting = new Set<() => void>()
  state?: ReceiverState
  readonly #history: Array<{ state: ReceiverState; at: number }> = []

  constructor() {
    createInterface({ input: this.#child.stdout }).on('line', line => {
      this.state = JSON.parse(line) as ReceiverState
      this.#history.push({ state: this.state, at: performance.now() })
      for (const check of this.#waiting) {
        check()
      }
    })
  }

  get pid() {
    return this.#child.pid
  }

  async until(what: string, holds: (state: ReceiverState) => boolean, timeoutMs = 15_000) {
    return new Promise<ReceiverState>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check)
        reject(new Error(`${what} did not happen within ${timeoutMs / 1000} s`))
      }, timeoutMs)
      const check = () => {
        if (this.state !== undefined && holds(this.state)) {
          clearTimeout(timer)
          this.#waiting.delete(check)
          resolve(this.state)
        }
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** When it first said something that `holds`. */
  when(holds: (state: ReceiverState) => boolean): number {
    return this.#history.find(({ state }) => holds(state))?.at ?? Number.NaN
  }

  async end(): Promise<number | null> {
    this.#child.stdin.end()
    return new Promise(resolve => this.#child.on('exit', resolve))
  }
}

const failures: string[] = []
function check(label: string, holds: boolean) {
  console.log(`  ${holds ? '✔' : '✘'} ${label}`)
  if (!holds) {
    failures.push(label)
  }
}

const say = (text: string) => console.log(`\n${text}`)
const source =
  positionals[0] === undefined ? generated(Number(values.size) * 2 ** 20) : fromFile(positionals[0])
const expected = sha256(source)

say(`Two libp2p nodes in two processes, each with its ${LABEL} service in a third and fourth`)
const receiver = new Receiver()
const node = await createNode(name)
const ready = await receiver.until('the receiver listening', s => s.addresses.length > 0)
const address = (suffix: string) => {
  const found = receiver.state?.addresses.find(a => a.includes(suffix))
  if (found === undefined) {
    throw new Error(`the receiver does not listen on ${suffix}`)
  }
  return found
}
const ownAddress = address(SUFFIX)
console.log(`  sender    pid ${process.pid}`)
console.log(
  `  receiver  pid ${receiver.pid}, its service pid ${ready.pid}, listening on ${ownAddress}`
)

async function transfer(
  label: string,
  connection: Connection,
  onProgress?: (sent: number) => void
) {
  const progress = new Progress(label, source.size)
  const got = await sendFile(connection, source.read, source.size, sent => {
    progress.update(sent)
    onProgress?.(sent)
  })
  const rate = progress.end()
  check(
    `${source.label}: SHA-256 ${got.slice(0, 16)}… is the same at the other end`,
    got === expected
  )
  return rate
}

say(`1. ${source.label} over ${LABEL}`)
const ownRate = await transfer(LABEL, await node.dial(multiaddr(ownAddress)))

say('2. The same again, and the receiver’s service is killed in the middle (SIGKILL)')
const before = await receiver.until('a service', s => s.pid !== undefined)
let killedAt = 0
let failed = false
let failure: (Error & { code?: string }) | undefined
try {
  const [connection] = node.getConnections()
  if (connection === undefined) {
    throw new Error('the connection of the first transfer is gone')
  }
  connection.addEventListener('close', event => {
    failure = event.error
  })
  await transfer(LABEL, connection, sent => {
    if (killedAt === 0 && sent >= source.size / 2) {
      killedAt = performance.now()
      process.kill(before.pid as number, 'SIGKILL')
    }
  })
} catch {
  failed = true
  if (process.stdout.isTTY) {
    process.stdout.write('\n')
  }
}
check('the transfer failed instead of hanging', failed)
const lost = await receiver.until('the typed error', s => s.error !== undefined)
console.log(
  `    receiver: ${lost.error?.name} ${lost.error?.code}: ${lost.error?.message.split('\n')[0]}`
)
check(
  'the receiver got a typed error: ERR_XTP_SERVICE_LOST',
  lost.error?.code === 'ERR_XTP_SERVICE_LOST'
)
const isBack = (s: ReceiverState) =>
  s.state === 'running' && s.restarts > before.restarts && s.addresses.some(a => a.includes(SUFFIX))
const back = await receiver.until('the restart', isBack)
const afterMs = receiver.when(isBack) - killedAt
console.log(
  `    restarted as pid ${back.pid}, listening again ${afterMs.toFixed(0)} ms after the kill`
)
for (let i = 0; i < 4500 && failure === undefined; i++) {
  await new Promise(resolve => setTimeout(resolve, 10))
}
console.log(`    sender:   ${failure?.name} ${failure?.code}: ${failure?.message}`)
check(`the sender got a typed error: ${ENDS.join(' or ')}`, ENDS.includes(failure?.code ?? ''))
check('it listens on the same port', back.addresses.includes(ownAddress))

say('3. A third transfer, to the same address')
for (const connection of node.getConnections()) {
  connection.abort(new Error('left over from the killed service'))
}
await transfer(LABEL, await node.dial(multiaddr(ownAddress)))

say('4. The same file over @libp2p/tcp, for comparison')
const tcpRate = await transfer('TCP', await node.dial(multiaddr(address('/tcp/'))))

say('Result')
console.log(
  `  ${`xtp-${name}`.padEnd(12)}  ${ownRate.toFixed(0).padStart(5)} MB/s   (native code in its own process)`
)
console.log(
  `  @libp2p/tcp   ${tcpRate.toFixed(0).padStart(5)} MB/s   ratio ${(ownRate / tcpRate).toFixed(2)}`
)
await node.stop()
check('the receiver ended by itself', (await receiver.end()) === 0)
if (failures.length > 0) {
  console.error(`\n${failures.length} checks failed`)
  process.exitCode = 1
} else {
  console.log('\nEverything held.')
}
