import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, it } from 'node:test'
import { isRetryable, STATUS, statusErrno, statusFromErrno, statusName } from './status.ts'

describe('status codes', () => {
  it('has the numbers and names of native/common/status.h, and only local ones beside', () => {
    const header = fs.readFileSync(
      new URL('../../../native/common/status.h', import.meta.url),
      'utf8'
    )
    const native = new Map<string, number>()
    for (const [, name = '', number] of header.matchAll(/^\s+k([A-Z]\w+) = (\d+),$/gm)) {
      native.set(name.replace(/(?<=[a-z])[A-Z]/g, c => `_${c}`).toUpperCase(), Number(number))
    }
    assert.ok(native.size > 15, 'the enum was found')
    const wire = Object.entries(STATUS).filter(([, code]) => code < 32)
    assert.deepEqual(new Map<string, number>(wire), native)
    assert.deepEqual(
      Object.entries(STATUS).filter(([, code]) => code >= 32),
      [
        ['SERVICE_LOST', 32],
        ['SERVICE_START_FAILED', 33],
        ['SANDBOX_UNAVAILABLE', 34],
        ['POSSIBLE_COMPROMISE', 35],
        ['LIMIT_EXCEEDED', 36]
      ]
    )
  })

  it('names codes, unknown ones too', () => {
    assert.equal(statusName(16), 'ADDRESS_IN_USE')
    assert.equal(statusName(99), 'STATUS_99')
  })

  it('says which may succeed later', () => {
    assert.equal(isRetryable(STATUS.UNAVAILABLE), true)
    assert.equal(isRetryable(STATUS.CONNECTION_TIMED_OUT), true)
    assert.equal(isRetryable(STATUS.INVALID_ARGUMENT), false)
    assert.equal(isRetryable(99), false)
  })

  it('leads from an errno to a code, and back where the pair is one to one', () => {
    assert.equal(statusFromErrno('EADDRINUSE'), STATUS.ADDRESS_IN_USE)
    assert.equal(statusFromErrno('EPERM'), STATUS.PERMISSION_DENIED)
    assert.equal(statusFromErrno('EWHATEVER'), undefined)
    for (const errno of ['EADDRINUSE', 'EADDRNOTAVAIL', 'ECONNREFUSED', 'ECONNRESET']) {
      assert.equal(statusErrno(statusFromErrno(errno) ?? -1), errno)
    }
    assert.equal(statusErrno(STATUS.OK), undefined)
  })
})
