// With XTP_TEST_ADDONS set, the tests' services load the addons of that build folder (made with a sanitizer)
// instead of the packages'. The hook is here, in the tests: a published package has none.
import path from 'node:path'
import { DirectRunner, type Runner } from 'xtp'

const ENTRY = path.resolve(import.meta.dirname, '../fixtures/service-with-addon.ts')

export type TransportName = 'utp' | 'quic' | 'udt'

/** Program and environment of a service with a sanitizer; undefined where none is on. */
export function sanitizedService(transport: TransportName) {
  const { XTP_TEST_ADDONS, XTP_TEST_PRELOAD, XTP_TEST_SANITIZER_OPTIONS } = process.env
  if (XTP_TEST_ADDONS === undefined) {
    return undefined
  }
  const options = XTP_TEST_SANITIZER_OPTIONS ?? ''
  return {
    entry: ENTRY,
    env: {
      XTP_TEST_TRANSPORT: transport,
      XTP_TEST_ADDON: path.join(XTP_TEST_ADDONS, transport, `xtp_${transport}.node`),
      LD_PRELOAD: XTP_TEST_PRELOAD ?? '',
      ASAN_OPTIONS: options,
      UBSAN_OPTIONS: options,
      TSAN_OPTIONS: options
    }
  }
}

/** Whether memory of services can be judged: AddressSanitizer keeps what is freed. */
export const measuresMemory = process.env.XTP_TEST_ADDONS === undefined

/** The runner for services of tests: undefined, so the default, unless a sanitizer is on. */
export function testRunner(transport: TransportName): Runner | undefined {
  const service = sanitizedService(transport)
  if (service === undefined) {
    return undefined
  }
  const direct = new DirectRunner({ env: service.env })
  return {
    name: direct.name,
    start: request => direct.start({ ...request, serviceEntry: service.entry }),
    diagnose: (exit, logTail) => direct.diagnose(exit, logTail),
    close: () => direct.close()
  }
}
