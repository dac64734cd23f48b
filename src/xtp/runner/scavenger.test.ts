import assert from 'node:assert/strict'
import { PerformanceObserver } from 'node:perf_hooks'
import { test } from 'node:test'
import { createScavenger } from './scavenger.ts'

test('a minor collection each time that enough was received, and gc() stays hidden', async () => {
  const kinds: number[] = []
  const observer = new PerformanceObserver(list => {
    for (const { detail } of list.getEntries() as Array<{ detail?: { kind?: number } }>) {
      kinds.push(detail?.kind ?? 0)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  const received = createScavenger(1_000)
  for (let i = 0; i < 35; i++) {
    received(100)
  }
  await new Promise(resolve => setTimeout(resolve, 50))
  observer.disconnect()
  // NODE_PERFORMANCE_GC_MINOR; others may have happened by themselves
  assert.ok(kinds.filter(kind => kind === 1).length >= 3, kinds.join())
  assert.equal('gc' in globalThis, false)
})
