// Jails of a test file: each is ended after the test that opened it, and leaves nothing.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach } from 'node:test'
import { isAlive } from '../support/processes.ts'
import { JailDriver, type JailOptions } from './jail-driver.ts'

export const root = process.getuid?.() === 0
export const LEVELS = ['L0', 'L2', 'L3']

const jails: JailDriver[] = []

export function open(options: JailOptions = {}): JailDriver {
  const jail = new JailDriver(options)
  jails.push(jail)
  return jail
}

afterEach(async () => {
  for (const jail of jails.splice(0)) {
    await jail.end()
    assert.equal(isAlive(jail.pid), false)
  }
})

export function processesBelow(pid: number): number[] {
  const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim() === '' ? [] : text.trim().split(' ').map(Number)
}
