// With XTP_TEST_ADDON set, the tests' services load that addon (one built with a sanitizer) instead of
// the package's. The hook is here, in the tests: a published package has none.
import path from 'node:path'
import { DirectRunner, type Runner } from 'xtp'

const ENTRY = path.resolve(import.meta.dirname, '../fixtures/utp-service-with-addon.ts')

/** The runner for services of tests: undefined, so the default, unless a sanitizer is on. */
export function testRunner(): Runner | undefined {
  const { XTP_TEST_ADDON, XTP_TEST_PRELOAD, XTP_TEST_SANITIZER_OPTIONS } = process.env
  if (XTP_TEST_ADDON === undefined) {
    return undefined
  }
  const options = XTP_TEST_SANITIZER_OPTIONS ?? ''
  const direct = new DirectRunner({
    env: {
      XTP_TEST_ADDON,
      LD_PRELOAD: XTP_TEST_PRELOAD ?? '',
      ASAN_OPTIONS: options,
      UBSAN_OPTIONS: options,
      TSAN_OPTIONS: options
    }
  })
  return {
    name: direct.name,
    start: request => direct.start({ ...request, serviceEntry: ENTRY }),
    diagnose: (exit, logTail) => direct.diagnose(exit, logTail),
    close: () => direct.close()
  }
}
