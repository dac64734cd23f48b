import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock } from './manual-clock.ts'

describe('manual clock', () => {
  it('runs what falls due, in order, timers set on the way included', () => {
    const clock = new ManualClock()
    const ran: string[] = []
    clock.setTimer(20, () => ran.push(`b at ${clock.now()}`))
    clock.setTimer(10, () => {
      ran.push(`a at ${clock.now()}`)
      clock.setTimer(5, () => ran.push(`c at ${clock.now()}`))
    })
    const cancel = clock.setTimer(12, () => ran.push('cancelled'))
    clock.setTimer(31, () => ran.push('later'))
    cancel()
    clock.advance(30)
    assert.deepEqual(ran, ['a at 10', 'c at 15', 'b at 20'])
    assert.equal(clock.now(), 30)
    assert.equal(clock.pending, 1)
  })
})
