// One process of a measurement that ends after a time, not after an amount:
// `side.ts serve KIND SETTLE SECONDS`, which says its address, or `side.ts dial KIND SETTLE SECONDS U|D`, which waits to
// hear it on stdin. Both end when their stdin does.
// A stream begins with one byte: U, the client sends; D, the server does. Whoever receives lets SETTLE seconds pass
// after the first byte, counts for SECONDS, and says so.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Contestant, Duplex, Server } from '../contestants/types.ts'
import { networkContestants } from '../contestants.ts'

const CHUNK = new Uint8Array(64 * 1024).fill(7)
const UP = 'U'.charCodeAt(0)
const [role, kind = '', settle = '0', seconds = '8', direction = 'U'] = process.argv.slice(2)
const contestant = networkContestants[kind] as Contestant
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)
const pause = (s: number) => new Promise(resolve => setTimeout(resolve, s * 1000))

/** Writes with backpressure, for ever. */
function pour(duplex: Duplex): void {
  const go = () => {
    while (duplex.write(CHUNK)) {}
  }
  duplex.onDrain = go
  go()
}

async function count(duplex: Duplex): Promise<void> {
  let bytes = 0
  const first = Promise.withResolvers<void>()
  duplex.onData = data => {
    bytes += data.length
    first.resolve()
  }
  await first.promise
  await pause(Number(settle))
  say({ counting: true })
  const perSecond: number[] = []
  const begin = performance.now()
  const atBegin = bytes
  for (let second = 1; second <= Number(seconds); second++) {
    const before = bytes
    // against the clock: a busy process wakes up late
    await pause(second - (performance.now() - begin) / 1000)
    perSecond.push(bytes - before)
  }
  const took = (performance.now() - begin) / 1000
  say({ bytesPerSecond: (bytes - atBegin) / took, perSecond })
}

function failOnEnd(duplex: Duplex): void {
  duplex.onEnd = error => say({ error: String(error ?? 'the stream ended') })
}

function answer(duplex: Duplex): void {
  failOnEnd(duplex)
  duplex.onData = bytes => {
    if (bytes[0] === UP) {
      void count(duplex)
      // what came with the first byte counts for the beginning only
      if (bytes.length > 1) {
        duplex.onData?.(bytes.subarray(1))
      }
    } else {
      duplex.onData = undefined
      pour(duplex)
    }
  }
}

const input = createInterface({ input: process.stdin }).on('close', () => process.exit(0))
if (role === 'serve') {
  say(await contestant.serve(answer))
} else {
  const [line] = await once(input, 'line')
  const { address } = JSON.parse(line) as Server
  const client = await contestant.connect(address)
  const duplex = await client.open()
  say({ connected: true })
  failOnEnd(duplex)
  duplex.write(new TextEncoder().encode(direction))
  if (direction === 'U') {
    pour(duplex)
  } else {
    await count(duplex)
  }
}
