// Which sandbox the tests' services run in: XTP_TEST_SANDBOX_LEVEL (auto if absent, L0, L2, L3, L4) and
// XTP_TEST_STRICT=1, so that every suite can run at every level. Read here, in the tests, and nowhere
// else: a published package has no such variables.
import type { SandboxOptions, XtpInit } from 'xtp'
import { type TransportName, testRunner } from './sanitized.ts'

const LEVELS = ['auto', 'L0', 'L2', 'L3', 'L4'] as const

export function testSandbox(): SandboxOptions {
  const { XTP_TEST_SANDBOX_LEVEL = 'auto', XTP_TEST_STRICT } = process.env
  const level = LEVELS.find(name => name === XTP_TEST_SANDBOX_LEVEL)
  if (level === undefined) {
    throw new Error(`XTP_TEST_SANDBOX_LEVEL=${XTP_TEST_SANDBOX_LEVEL}: use ${LEVELS.join(', ')}`)
  }
  return { level, strict: XTP_TEST_STRICT === '1' }
}

/** Options of a client for tests. */
export function testInit(transport: TransportName): XtpInit {
  return { runner: testRunner(transport), sandbox: testSandbox() }
}
