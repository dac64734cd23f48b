import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../ctl/testing/manual-clock.ts'
import { parseUsage } from '../runner/process-usage.ts'
import { limitsConfig } from './limits.ts'
import { settle } from './testing/fake-service.ts'
import { type Exceeded, startWatchdog, type WatchdogInit } from './watchdog.ts'

function watch(limits: Parameters<typeof limitsConfig>[0], enforced?: WatchdogInit['enforced']) {
  const clock = new ManualClock()
  const usage = { rssBytes: 50e6, cpuMs: 0, threads: 12 }
  const seen: Exceeded[] = []
  let looks = 0
  const stop = startWatchdog({
    clock,
    limits: limitsConfig(limits),
    ...(enforced !== undefined && { enforced }),
    usage: async () => ({ ...usage }),
    onUsage: () => {
      looks += 1
    },
    onExceeded: exceeded => seen.push(exceeded)
  })
  return {
    usage,
    seen,
    stop,
    looks: () => looks,
    async pass(ms: number, cores = 0) {
      for (let i = 0; i < ms; i += 500) {
        usage.cpuMs += 500 * cores
        clock.advance(500)
        await settle()
      }
    }
  }
}

test('memory above the limit is told once', async () => {
  const dog = watch({ memoryBytes: 100 * 2 ** 20 })
  await dog.pass(5_000)
  assert.deepEqual(dog.seen, [])
  dog.usage.rssBytes = 101 * 2 ** 20
  await dog.pass(2_000)
  assert.deepEqual(dog.seen, [
    { limit: 'memoryBytes', value: 101 * 2 ** 20, allowed: 100 * 2 ** 20 }
  ])
})

test('processor time counts as an average of ten seconds', async () => {
  const dog = watch({ cpu: 0.5 })
  await dog.pass(2_000, 1)
  await dog.pass(60_000, 0.3)
  assert.deepEqual(dog.seen, [])
  await dog.pass(11_000, 0.9)
  assert.deepEqual(
    (dog.seen as Exceeded[]).map(({ limit }) => limit),
    ['cpu']
  )
})

test('threads count', async () => {
  const dog = watch({})
  dog.usage.threads = 65
  await dog.pass(500)
  assert.deepEqual(dog.seen, [{ limit: 'processes', value: 65, allowed: 64 }])
})

test('where the kernel enforces limits it alone says what was exceeded', async () => {
  let exceeded: 'processes' | undefined
  const dog = watch({ cpu: 0.5, memoryBytes: 100 * 2 ** 20 }, { exceeded: () => exceeded })
  dog.usage.rssBytes = 2 ** 40
  dog.usage.threads = 1e6
  await dog.pass(20_000, 64)
  assert.deepEqual(dog.seen, [])
  exceeded = 'processes'
  await dog.pass(2_000)
  assert.deepEqual(dog.seen, [{ limit: 'processes', allowed: 64 }])
})

test('0 is no limit, and stopped is stopped', async () => {
  const dog = watch({ memoryBytes: 0, processes: 0 })
  dog.usage.rssBytes = 2 ** 40
  dog.usage.threads = 1e6
  await dog.pass(20_000, 64)
  assert.deepEqual(dog.seen, [])
  const looks = dog.looks()
  dog.stop()
  await dog.pass(2_000)
  assert.equal(dog.looks(), looks)
})

test('limits that cannot be are errors that name them', () => {
  for (const [limits, pattern] of [
    [{ memoryBytes: 1000 }, /limits\.memoryBytes must be a number from 100663296/],
    [{ connections: -1 }, /limits\.connections/],
    [{ openFiles: 64.5 }, /limits\.openFiles/],
    [{ cpu: Number.NaN }, /limits\.cpu/],
    [{ memory: 1 }, /limits\.memory is no limit/]
  ] as const) {
    assert.throws(() => limitsConfig(limits as object), {
      code: 'ERR_XTP_INVALID_ARGUMENT',
      message: pattern
    })
  }
})

test('the kernel’s files are read, whatever the program is called', () => {
  const stat = `42 (a) b (c) S 1 42 42 0 -1 4194560 900 0 0 0 123 77 0 0 20 0 11 0 ${'9 '.repeat(30)}`
  assert.deepEqual(parseUsage(stat, 'Name:\tx\nVmRSS:\t  2048 kB\nThreads:\t11\n'), {
    rssBytes: 2048 * 1024,
    cpuMs: 2000,
    threads: 11
  })
  assert.equal(parseUsage('', ''), undefined)
})
