import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { SlabLink } from './slab-link.ts'

let server: net.Server
// abstract: nothing is left in the file system
const PATH = `\0xtp-slab-link-test-${process.pid}`

before(async () => {
  server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(PATH)
  await once(server, 'listening')
})
after(() => server.close())

async function connect(): Promise<{ link: SlabLink; remote: Socket }> {
  const accepted = once(server, 'connection')
  const link = new SlabLink(PATH, Buffer.from('tag'))
  const [remote] = (await accepted) as [Socket]
  remote.on('error', () => {})
  return { link, remote }
}

function collect(link: SlabLink) {
  const seen = {
    chunks: [] as Uint8Array[],
    drains: 0,
    end: Promise.withResolvers<Error | undefined>()
  }
  link.attach({
    onData: bytes => seen.chunks.push(bytes),
    onDrain: () => {
      seen.drains += 1
    },
    onEnd: error => seen.end.resolve(error)
  })
  return seen
}

test('what was read stays as it was, however much follows', async () => {
  const { link, remote } = await connect()
  const seen = collect(link)
  const sent = Buffer.alloc(9_000_000)
  for (let i = 0; i < sent.length; i += 4) {
    sent.writeUInt32LE(i, i)
  }
  remote.write(sent.subarray(0, 3))
  remote.end(sent.subarray(3))
  assert.equal(await seen.end.promise, undefined)
  assert.deepEqual(Buffer.concat(seen.chunks), sent)
  const largest = Math.max(...seen.chunks.map(chunk => chunk.byteLength))
  assert.ok(largest > 65_536 && largest <= 262_144, `the largest read was ${largest}`)
  await link.ended
})

test('small reads share a slab', async () => {
  const { link, remote } = await connect()
  const seen = collect(link)
  for (let i = 0; i < 20; i++) {
    remote.write(`message ${i};`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  remote.end()
  await seen.end.promise
  assert.ok(seen.chunks.length > 1)
  assert.equal(new Set(seen.chunks.map(chunk => chunk.buffer)).size, 1)
})

/** Full collections of this process while `work` runs. */
async function fullCollections(work: () => Promise<void>): Promise<number> {
  let full = 0
  const observer = new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { detail: { kind: number } }).detail
      full += kind === constants.NODE_PERFORMANCE_GC_MAJOR ? 1 : 0
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  await work()
  await new Promise(resolve => setImmediate(resolve))
  observer.disconnect()
  return full
}

const PASSED_BYTES = 2 ** 30
/** Without young garbage there is one for each 64 to 80 MiB; a start, or a busy machine, has a few. */
const FEW = 7

test('what is received is freed by small collections, not by full ones', async () => {
  const { link, remote } = await connect()
  let received = 0
  const end = Promise.withResolvers<void>()
  link.attach({
    onData: bytes => {
      received += bytes.byteLength
    },
    onDrain: () => {},
    onEnd: () => end.resolve()
  })
  const chunk = Buffer.alloc(1 << 20)
  const full = await fullCollections(async () => {
    for (let sent = 0; sent < PASSED_BYTES; sent += chunk.length) {
      if (!remote.write(chunk)) {
        await once(remote, 'drain')
      }
    }
    remote.end()
    await end.promise
  })
  assert.equal(received, PASSED_BYTES)
  assert.ok(full <= FEW, `${full} full collections`)
})

/** Reads what comes and says how much that was: in a process of its own, whose collections do not count. */
const READER = `
  let count = 0
  const server = require('node:net').createServer(socket => {
    socket.on('data', bytes => { count += bytes.length })
    socket.on('end', () => { console.log(count); server.close() })
  })
  server.listen('\\0' + process.argv[1], () => console.log('listening'))`

test('so is what is sent', async () => {
  const name = `xtp-slab-link-reader-${process.pid}`
  const reader = spawn(process.execPath, ['-e', READER, name], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines = createInterface({ input: reader.stdout })[Symbol.asyncIterator]()
  assert.equal((await lines.next()).value, 'listening')
  const link = new SlabLink(`\0${name}`, Buffer.from('tag'))
  let drained = () => {}
  const ended = new Promise<void>(resolve => {
    link.attach({ onData: () => {}, onDrain: () => drained(), onEnd: () => resolve() })
  })
  const full = await fullCollections(async () => {
    for (let sent = 0; sent < PASSED_BYTES; sent += 1 << 16) {
      // as a cipher makes them, and as many on their way as the mux allows
      link.sink.write(Buffer.allocUnsafeSlow(1 << 16))
      if (link.sink.writableLength >= 1 << 20) {
        await new Promise<void>(resolve => {
          drained = resolve
        })
      }
    }
  })
  link.socket.end()
  assert.equal(Number((await lines.next()).value), PASSED_BYTES + 'tag'.length)
  await ended
  assert.ok(full <= FEW, `${full} full collections`)
})

test('the first bytes lead, and nothing is read before attach', async () => {
  const { link, remote } = await connect()
  remote.write('early')
  link.sink.write(Buffer.from('behind'))
  let text = ''
  remote.on('data', bytes => {
    text += bytes
  })
  remote.resume()
  while (text !== 'tagbehind') {
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  const seen = collect(link)
  remote.end()
  await seen.end.promise
  assert.equal(Buffer.concat(seen.chunks).toString(), 'early')
})

test('a full sink drains', async () => {
  const { link, remote } = await connect()
  const seen = collect(link)
  link.sink.write(Buffer.alloc(8_000_000))
  let length = 0
  remote.on('data', bytes => {
    length += bytes.length
  })
  remote.resume()
  while (length < 8_000_003) {
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  await new Promise(resolve => setTimeout(resolve, 2))
  assert.ok(seen.drains > 0)
  link.destroy()
  await seen.end.promise
})

test('nobody there, or gone before attach: an end, not an uncaught error', async () => {
  const nobody = new SlabLink('\0xtp-slab-link-test-nobody', Buffer.from('tag'))
  const seen = collect(nobody)
  assert.equal(((await seen.end.promise) as NodeJS.ErrnoException).code, 'ECONNREFUSED')
  const { link, remote } = await connect()
  remote.destroy()
  link.sink.write(Buffer.from('x'))
  link.destroy()
  await link.ended
  await collect(link).end.promise
})
