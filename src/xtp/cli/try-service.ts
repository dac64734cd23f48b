// Starts the real service of a transport package in a process of its own, as an application would, and
// says Hello. The addon is loaded there; never into this process.
import { code, fmt } from '@multiformats/multiaddr-matcher/utils'
import { clientConfig } from '../client/definition.ts'
import { silentLogger } from '../client/log.ts'
import { ServiceSession } from '../client/service-session.ts'
import type { Incarnation, Runner } from '../runner/index.ts'
import type { TransportFacts } from './facts.ts'
import type { KnownTransport } from './packages.ts'

const START_TIMEOUT_MS = 15_000
const STOP_TIMEOUT_MS = 2_000

/** The process, and its end where it comes before the service has answered. */
async function hello(
  incarnation: Incarnation,
  known: KnownTransport,
  runner: Runner,
  serviceEntry: string
): Promise<string> {
  const log = silentLogger.forComponent('xtp:doctor')
  const session = new ServiceSession({
    definition: { ...known, matcher: fmt(code(known.multiaddrCode)), serviceEntry },
    config: clientConfig({ runner }),
    incarnation,
    connectionLog: log,
    serviceLog: log
  })
  const died = session.broken.then(async () => {
    const exit = await incarnation.exited
    const how = exit.signal ?? `exit code ${exit.exitCode}`
    const advice = runner.diagnose(exit, incarnation.logTail)
    throw new Error(`the service ended with ${how}${advice === undefined ? '' : `: ${advice}`}`)
  })
  // its end after the answer is what we ask for
  died.catch(() => {})
  const { implementation } = await Promise.race([session.start(START_TIMEOUT_MS), died])
  await session.shutdown(STOP_TIMEOUT_MS)
  return implementation
}

/** Starts the service, says Hello, and ends it again. Never rejects. */
export async function tryService(
  known: KnownTransport,
  serviceEntry: string,
  runner: Runner
): Promise<TransportFacts['started']> {
  let incarnation: Incarnation | undefined
  try {
    incarnation = await runner.start({ serviceEntry, onLog: () => {} })
    const implementation = await hello(incarnation, known, runner, serviceEntry)
    return { implementation, level: incarnation.sandbox.level }
  } catch (error) {
    return { error: (error as Error).message, logTail: [...(incarnation?.logTail ?? [])] }
  } finally {
    const timer = setTimeout(() => incarnation?.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await incarnation?.exited
    clearTimeout(timer)
    await runner.close()
  }
}
