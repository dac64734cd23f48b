// A client of the service with an enemy inside, and what the enemy says.
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Logger } from '@libp2p/interface'
import { XtpClient, type XtpInit } from 'xtp'
import type { Wire } from './wires.ts'

/** Lines that begin so are the enemy's. */
const MARK = 'ATTACK '
const privateKey = await generateKeyPair('Ed25519')

export interface Said {
  begin?: string
  index?: number
  name?: string
  possible?: boolean
  detail?: string
  over?: boolean
}

export function enemyClient(
  { transport }: Wire,
  serviceEntry: string,
  init: XtpInit,
  onSaid: (said: Said) => void
): XtpClient {
  const log = (_format: string, ...args: unknown[]) => {
    const line = args.map(String).find(arg => arg.startsWith(MARK))
    if (line !== undefined) {
      onSaid(JSON.parse(line.slice(MARK.length)))
    }
  }
  const logger: Logger = Object.assign(log, {
    enabled: true,
    error() {},
    trace() {},
    newScope: () => logger
  })
  return new XtpClient({ ...transport, serviceEntry }, init, {
    logger: { forComponent: () => logger },
    privateKey
  })
}
