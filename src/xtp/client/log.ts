// Loggers: libp2p's where there is one, silence otherwise.
import type { ComponentLogger, Logger } from '@libp2p/interface'

const silent: Logger = Object.assign(() => {}, {
  enabled: false,
  error: () => {},
  trace: () => {},
  newScope: () => silent
})

/** For clients that are used without libp2p. */
export const silentLogger: ComponentLogger = { forComponent: () => silent }
