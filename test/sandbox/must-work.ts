// What a sandbox test does where the system cannot do what it tests: it skips and prints why; in CI
// (XTP_SANDBOX_MUST_WORK=1) it fails.
import type { TestContext } from 'node:test'

/**
 * Skips the test because of `why`.
 *
 * @throws Error where XTP_SANDBOX_MUST_WORK=1 forbids to skip
 */
export function cannotRun(t: TestContext, why: string): void {
  if (process.env.XTP_SANDBOX_MUST_WORK === '1') {
    throw new Error(`XTP_SANDBOX_MUST_WORK=1, but: ${why}`)
  }
  t.diagnostic(`skipped: ${why}`)
  t.skip(why)
}
