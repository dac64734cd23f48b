// Raw clients for the tests.
import type { XtpClient } from 'xtp'
import { type UtpInit, utpClient } from 'xtp-utp'
import { testInit } from './sandbox.ts'

export function createClient(init: UtpInit = {}): XtpClient {
  return utpClient({ ...testInit('utp'), ...init })
}
