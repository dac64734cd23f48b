// A client of the service with an enemy inside, and what the enemy says.
import type { Logger } from '@libp2p/interface'
import { XtpClient, type XtpInit } from 'xtp'
import { UTP } from 'xtp-utp'

/** Lines that begin so are the enemy's. */
const MARK = 'ATTACK '

export interface Said {
  begin?: string
  index?: number
  name?: string
  possible?: boolean
  detail?: string
  over?: boolean
}

export function enemyClient(serviceEntry: string, init: XtpInit, onSaid: (said: Said) => void) {
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
  return new XtpClient(
    {
      name: 'utp',
      packageName: 'xtp-utp',
      multiaddrCode: 302,
      suffix: '/utp',
      matcher: UTP,
      serviceEntry
    },
    init,
    { logger: { forComponent: () => logger } }
  )
}
