// Entry of every service program.
import { fstatSync } from 'node:fs'
import { EXIT } from './exit-codes.ts'
import { Service, type ServiceDefinition } from './service.ts'

function isSocket(fd: number): boolean {
  try {
    const stat = fstatSync(fd)
    return stat.isSocket() || stat.isFIFO()
  } catch {
    return false
  }
}

/** Runs the service of one transport on fds 3 and 4 until its parent ends it or is gone. */
export function runService(definition: ServiceDefinition): void {
  if (!isSocket(3) || !isSocket(4)) {
    console.error(
      `${definition.implementation} is the service of an XTP client, which gives it its links as ` +
        'file descriptors 3 and 4. Use the package from your program instead of running this file.'
    )
    process.exit(EXIT.CONFIG)
  }

  const service = new Service(definition)
  process.on('SIGTERM', () => service.exit(EXIT.OK))
  // Ctrl-C reaches the whole process group: the parent decides when its service ends
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  process.on('uncaughtException', error => {
    console.error(error.stack ?? error.message)
    service.exit(EXIT.SOFTWARE)
  })
}
