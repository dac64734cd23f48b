import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CircuitBreaker } from './circuit-breaker.ts'

const POLICY = { budget: 3, budgetWindowMs: 1_000, breakerOpenMs: 100 }

test('a budget of crashes is restarted, then it opens', () => {
  const states: string[] = []
  const breaker = new CircuitBreaker(POLICY, state => states.push(state))
  assert.deepEqual(
    [0, 10, 20, 30].map(now => breaker.crashed(now)),
    [0, 0, 0, 100]
  )
  assert.equal(breaker.state, 'open')
  assert.deepEqual(states, ['open'])
})

test('crashes that are long ago do not count', () => {
  const breaker = new CircuitBreaker(POLICY)
  for (let now = 0; now < 100_000; now += 340) {
    assert.equal(breaker.crashed(now), 0)
  }
})

test('half open, one crash opens it again for twice as long, up to ten minutes', () => {
  const breaker = new CircuitBreaker(POLICY)
  for (let i = 0; i < 4; i++) {
    breaker.crashed(i)
  }
  let open = 100
  for (let now = 1_000_000; now < 1_000_020; now++) {
    breaker.tried()
    assert.equal(breaker.state, 'half-open')
    open = Math.min(2 * open, 600_000)
    assert.equal(breaker.crashed(now), open)
  }
  assert.equal(open, 600_000)
})

test('a service that runs long enough closes it, and the budget is whole again', () => {
  const states: string[] = []
  const breaker = new CircuitBreaker(POLICY, state => states.push(state))
  for (let i = 0; i < 4; i++) {
    breaker.crashed(i)
  }
  breaker.tried()
  breaker.proved()
  assert.deepEqual(states, ['open', 'half-open', 'closed'])
  assert.deepEqual(
    [50, 51, 52, 53].map(now => breaker.crashed(now)),
    [0, 0, 0, 100]
  )
})

test('never more than the budget of restarts in a window while it is closed', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(700), { maxLength: 60 }), pauses => {
      const breaker = new CircuitBreaker(POLICY)
      let now = 0
      const restarts: number[] = []
      for (const pause of pauses) {
        now += pause
        const open = breaker.crashed(now)
        if (open === 0) {
          restarts.push(now)
        } else {
          now += open
          breaker.tried()
        }
        const recent = restarts.filter(time => now - time < POLICY.budgetWindowMs)
        assert.ok(recent.length <= POLICY.budget)
      }
    })
  )
})
