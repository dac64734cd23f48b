// One process of a measurement: `peer.ts server KIND`, `peer.ts client KIND ADDRESS SERVER_PID MIB`, or
// `peer.ts cold KIND ADDRESS SERVER_PID STARTS`, which only starts, hears an echo and stops, again and again.
// A stream begins with 9 bytes: what to do (U upload, D download, E echo) and how many bytes.
import { cpuSeconds, processes, rss, tree } from '../test/support/processes.ts'
import { type Contestant, contestants, type Duplex, levelContestants } from './contestants.ts'

const CHUNK = new Uint8Array(64 * 1024).fill(7)
const WARM_UP_BYTES = 512 * 2 ** 20
const [role, kind = '', address = '', serverPid = '0', amount = '128'] = process.argv.slice(2)
const contestant = { ...contestants, ...levelContestants }[kind] as Contestant
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

/** Writes `left` bytes with backpressure. */
function pour(duplex: Duplex, left: number, done: () => void): void {
  const go = () => {
    while (left > 0) {
      const n = Math.min(left, CHUNK.length)
      left -= n
      if (!duplex.write(n === CHUNK.length ? CHUNK : CHUNK.subarray(0, n)) && left > 0) {
        return
      }
    }
    duplex.onDrain = undefined
    done()
  }
  duplex.onDrain = go
  go()
}

function answer(duplex: Duplex): void {
  const head: number[] = []
  let mode = ''
  let size = 0
  let got = 0
  duplex.onData = bytes => {
    let at = 0
    while (mode === '' && at < bytes.length) {
      head.push(bytes[at++] as number)
      if (head.length === 9) {
        mode = String.fromCharCode(head[0] as number)
        size = Number(new DataView(Uint8Array.from(head.slice(1)).buffer).getBigUint64(0))
        if (mode === 'D') {
          pour(duplex, size, () => {})
        }
      }
    }
    const rest = at === 0 ? bytes : bytes.subarray(at)
    if (rest.length > 0 && mode === 'U') {
      got += rest.length
      if (got === size) {
        duplex.write(Uint8Array.of(1))
      }
    } else if (rest.length > 0 && mode === 'E') {
      duplex.write(rest)
    }
  }
  duplex.onEnd = () => duplex.end()
}

function header(mode: string, size: number): Uint8Array {
  const bytes = new Uint8Array(9)
  bytes[0] = mode.charCodeAt(0)
  new DataView(bytes.buffer).setBigUint64(1, BigInt(size))
  return bytes
}

/** Resolves when `total` bytes have come back. */
function received(duplex: Duplex, total: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = 0
    duplex.onData = bytes => {
      got += bytes.length
      if (got === total) {
        resolve()
      }
    }
    duplex.onEnd = error => reject(error ?? new Error(`ended after ${got} of ${total} bytes`))
  })
}

async function client() {
  const size = Number(amount) * 2 ** 20
  const coldStart = performance.now()
  const peer = await contestant.connect(address)
  const first = await echoer(await peer.open())
  await first()
  const coldStartMs = performance.now() - coldStart
  const servers = tree(Number(serverPid))

  const transfer = async (mode: 'U' | 'D', bytes: number) => {
    const duplex = await peer.open()
    const all = [...servers, ...tree()]
    const cpu = () => all.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
    const [cpu0, t0] = [cpu(), performance.now()]
    const done = received(duplex, mode === 'U' ? 1 : bytes)
    duplex.write(header(mode, bytes))
    if (mode === 'U') {
      pour(duplex, bytes, () => {})
    }
    await done
    const seconds = (performance.now() - t0) / 1000
    const used = cpu() - cpu0
    duplex.onEnd = undefined
    duplex.end()
    return { mbPerSecond: bytes / seconds / 1e6, cpuSecondsPerGb: used / (bytes / 1e9) }
  }

  // until the compiler and the garbage collector have settled, which takes a gigabyte
  await transfer('U', WARM_UP_BYTES)
  await transfer('D', WARM_UP_BYTES)
  const up = await transfer('U', size)
  const down = await transfer('D', size)

  const trip = await echoer(await peer.open())
  for (let i = 0; i < 300; i++) {
    await trip()
  }
  const times: number[] = []
  for (let i = 0; i < 3000; i++) {
    const t = performance.now()
    await trip()
    times.push((performance.now() - t) * 1000)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)] as number

  let connections = 0
  const begin = performance.now()
  while (connections < 60 && performance.now() - begin < 5000) {
    const { duplex, close } = await peer.connect()
    const once = await echoer(duplex)
    await once()
    await close()
    connections++
  }
  const connectionsPerSecond = connections / ((performance.now() - begin) / 1000)
  const rssMb = [...servers, ...tree()].map(pid => rss(pid) / 1e6)
  const isJail = new Set(
    processes().flatMap(({ pid, command }) => (/^\S*xtp-jail\b/.test(command) ? [pid] : []))
  )
  // this process's own tree without itself
  const children = tree().slice(1)
  const sum = (pids: number[]) => pids.reduce((total, pid) => total + rss(pid) / 1e6, 0)
  say({
    up,
    down,
    echo: { p50us: at(0.5), p99us: at(0.99) },
    connectionsPerSecond,
    coldStartMs,
    // server, server's service, client, client's service
    rssMb,
    serviceRssMb: sum(children.filter(pid => !isJail.has(pid))),
    // the launcher, and from L3 the init of the namespace
    jailRssMb: sum(children.filter(pid => isJail.has(pid)))
  })
  await Promise.race([peer.stop(), new Promise(resolve => setTimeout(resolve, 2000))])
  process.exit(0)
}

/** Milliseconds from nothing to the first echo, each time with a client and a service of its own. */
async function coldStarts(): Promise<void> {
  const times: number[] = []
  for (let i = 0; i < Number(amount); i++) {
    const begin = performance.now()
    const peer = await contestant.connect(address)
    const first = await echoer(await peer.open())
    await first()
    times.push(performance.now() - begin)
    await peer.stop()
  }
  say({ times })
}

async function echoer(duplex: Duplex): Promise<() => Promise<void>> {
  let back: () => void = () => {}
  duplex.onData = () => back()
  duplex.write(header('E', 0))
  return () =>
    new Promise(resolve => {
      back = resolve
      duplex.write(Uint8Array.of(1))
    })
}

if (role === 'server') {
  const { address } = await contestant.serve(answer)
  say({ address })
  process.stdin.resume().on('end', () => process.exit(0))
} else if (role === 'cold') {
  await coldStarts()
} else {
  await client()
}
