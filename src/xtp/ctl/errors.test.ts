import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as errors from './errors.ts'
import { Status } from './proto/xtp-ctl.js'
import { STATUS, statusName } from './status.ts'

const { errorFromStatus, isXtpError, statusFromError, XtpError } = errors

describe('errors', () => {
  it('has a class of its own for every status, with matching name and code', () => {
    const seen = new Set<string>()
    for (const [name, status] of Object.entries(STATUS)) {
      if (status === STATUS.OK) continue
      const err = errorFromStatus({ code: status })
      assert.notEqual(err.constructor, XtpError, name)
      assert.equal(err.code, `ERR_XTP_${name}`)
      assert.equal(err.status, status)
      assert.equal(err.name, err.constructor.name)
      assert.ok(err.message.length > 10, name)
      seen.add(err.name)
    }
    assert.equal(seen.size, Object.keys(STATUS).length - 1)
  })

  it('takes message, errno and retryable from the wire, and says what was tried', () => {
    const err = errorFromStatus(
      { code: 16, message: 'bind: in use', errno: 'EADDRINUSE', retryable: true },
      'listen /ip4/1.2.3.4/udp/5/utp'
    )
    assert.ok(err instanceof errors.AddressInUseError)
    assert.equal(err.message, 'listen /ip4/1.2.3.4/udp/5/utp: bind: in use')
    assert.equal(err.errno, 'EADDRINUSE')
    assert.equal(err.retryable, true)
    assert.equal(
      errorFromStatus({ code: 8, message: 'x', errno: '', retryable: false }).retryable,
      false
    )
  })

  it('keeps a status that this version does not know', () => {
    const err = errorFromStatus({ code: 30, message: 'new', errno: '', retryable: true })
    assert.equal(err.constructor, XtpError)
    assert.equal(err.code, 'ERR_XTP_STATUS_30')
    assert.equal(err.status, 30)
    assert.equal(err.retryable, true)
  })

  it('takes a reset without a reason for a reset', () => {
    assert.ok(errorFromStatus({ code: 0 }) instanceof errors.ConnectionResetError)
  })

  it('recognises errors of another copy of the package, by code if asked', async () => {
    const copy = (await import(`./errors.ts?copy=${Date.now()}`)) as typeof errors
    const err = new copy.AddressInUseError()
    assert.equal(err instanceof XtpError, false)
    assert.equal(isXtpError(err), true)
    assert.equal(isXtpError(err, 'ERR_XTP_ADDRESS_IN_USE'), true)
    assert.equal(isXtpError(err, 'ERR_XTP_CANCELLED'), false)
    for (const other of [null, undefined, 'ERR_XTP_CANCELLED', {}, new Error('x')]) {
      assert.equal(isXtpError(other), false)
    }
  })

  it('keeps cause, details and what is known of a dead service', () => {
    const cause = new Error('inner')
    const err = new errors.ServiceLostError('gone', {
      cause,
      details: { port: 1 },
      exitCode: null,
      signal: 'SIGSEGV',
      logTail: ['a', 'b']
    })
    assert.equal(err.cause, cause)
    assert.deepEqual(err.details, { port: 1 })
    assert.equal(err.signal, 'SIGSEGV')
    assert.deepEqual(err.logTail, ['a', 'b'])
    assert.equal(err.retryable, true)
    assert.deepEqual(Object.keys(new errors.InternalError()), [
      'name',
      'code',
      'status',
      'retryable'
    ])
  })

  it('turns any error into a status that fits a frame', () => {
    const system = Object.assign(new Error('bind EADDRINUSE'), { code: 'EADDRINUSE' })
    assert.equal(statusFromError(system).code, STATUS.ADDRESS_IN_USE)
    assert.equal(statusFromError(system).errno, 'EADDRINUSE')
    assert.equal(statusFromError(new DOMException('no', 'AbortError')).code, STATUS.CANCELLED)
    assert.equal(statusFromError(new errors.NotFoundError('x')).code, STATUS.NOT_FOUND)
    for (const odd of [undefined, null, 'text', 7, {}, new Error('x'), { code: 3 }]) {
      assert.equal(statusFromError(odd).code, STATUS.INTERNAL)
    }
    const long = statusFromError(new Error('é'.repeat(100_000)))
    assert.ok(Status.encode(long).byteLength < 4_096)
  })

  it('never sends a code that is local, or OK', () => {
    for (const err of [
      new errors.ServiceLostError(),
      new errors.ServiceStartError(),
      new XtpError('x', { status: 0 }),
      new XtpError('x', { status: 77 })
    ]) {
      assert.equal(statusFromError(err).code, STATUS.INTERNAL, statusName(err.status))
    }
  })
})
