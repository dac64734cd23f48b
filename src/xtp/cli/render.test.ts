import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { diagnose } from './diagnose.ts'
import type { MachineFacts } from './facts.ts'
import { render } from './render.ts'
import * as machines from './testing/machines.ts'

const lines = (facts: MachineFacts, colour = false) =>
  render(diagnose(facts), { colour }).split('\n')

describe('the report for people', () => {
  test('is aligned: every value and every remedy begins in the same column', () => {
    const all = lines(machines.ubuntu).slice(2, -3)
    const column = all[0]?.indexOf('v24.21.0')
    assert.ok(all.length > 15)
    for (const line of all) {
      assert.match(line.slice(column), /^\S/, line)
      assert.match(line.slice(0, column), / {3}$/, line)
    }
  })

  test('fits a terminal, except for words that are longer', () => {
    for (const facts of Object.values(machines)) {
      for (const line of lines(facts).slice(0, -2)) {
        assert.ok(line.length <= 100 || /\S{50}/.test(line), line)
      }
    }
  })

  test('ends with a verdict', () => {
    const verdict = (facts: MachineFacts) => lines(facts).at(-2)
    assert.equal(
      verdict(machines.complete),
      "✔ Services run at L3: the strongest that needs no cgroup. L4 works too: sandbox: { level: 'L4' }."
    )
    assert.equal(
      verdict(machines.ubuntu),
      '✔ Services run at L2: L3 does not work here: AppArmor forbids user namespaces (mount_private: EACCES).'
    )
    assert.equal(verdict(machines.mac), '✔ Services run at L0: there is no sandbox for darwin.')
    assert.match(verdict(machines.node20) ?? '', /^✘ .*does not run on Node v20\.20\.2/)
    assert.match(verdict(machines.noJail) ?? '', /^✘ Services run at L0: .*xtp-jail is missing/)
    const broken = { ...machines.complete, transports: machines.noJail.transports }
    assert.match(verdict(broken) ?? '', /^✘ .*xtp-utp cannot be started/)
    assert.match(verdict({ ...machines.complete, transports: [] }) ?? '', /No transport package/)
  })

  test('has colours only when asked', () => {
    for (const facts of Object.values(machines)) {
      assert.ok(!render(diagnose(facts)).includes('\x1b'))
    }
    const coloured = render(diagnose(machines.ubuntu), { colour: true })
    assert.ok(coloured.includes('\x1b[32m✔\x1b[0m'))
    assert.ok(coloured.includes('\x1b[31m✘\x1b[0m'))
    // and nothing else differs
    const plain = coloured
      .split('\x1b')
      .map((part, i) => (i === 0 ? part : part.replace(/^\[\d+m/, '')))
      .join('')
    assert.equal(plain, render(diagnose(machines.ubuntu)))
  })
})
