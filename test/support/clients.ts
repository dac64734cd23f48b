// Raw clients for the tests.
import type { XtpClient, XtpInit } from 'xtp'
import { udtClient } from 'xtp-udt'
import { utpClient } from 'xtp-utp'
import { testInit } from './sandbox.ts'

const CLIENTS = { utp: utpClient, udt: udtClient }

/** Transports whose connections are streams of bytes, for noise and yamux. */
export type ByteTransport = keyof typeof CLIENTS

export function createClient(init: XtpInit = {}, transport: ByteTransport = 'utp'): XtpClient {
  return CLIENTS[transport]({ ...testInit(transport), ...init })
}
