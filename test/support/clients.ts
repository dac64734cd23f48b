// Raw clients for the tests.
import type { XtpClient } from 'xtp'
import { type UtpInit, utpClient } from 'xtp-utp'
import { testRunner } from './sanitized.ts'

export function createClient(init: UtpInit = {}): XtpClient {
  return utpClient({ runner: testRunner(), ...init })
}
