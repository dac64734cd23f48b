// Starts the real service of a transport package in a process of its own, as an application would, and
// says Hello. The addon is loaded there; never into this process.
import { generateKeyPair } from '@libp2p/crypto/keys'
import { code, fmt } from '@multiformats/multiaddr-matcher/utils'
import { type ClientConfig, clientConfig } from '../client/definition.ts'
import { silentLogger } from '../client/log.ts'
import { ServiceSession } from '../client/service-session.ts'
import { TlsIdentity } from '../client/tls-identity.ts'
import { UnavailableError } from '../ctl/index.ts'
import type { Incarnation } from '../runner/index.ts'
import type { TransportFacts } from './facts.ts'
import type { KnownTransport } from './packages.ts'

const START_TIMEOUT_MS = 15_000
const STOP_TIMEOUT_MS = 2_000

/**
 * What the service says of itself.
 *
 * @throws Error with how it ended and what to do, where that comes before its answer
 */
async function hello(
  incarnation: Incarnation,
  known: KnownTransport,
  config: ClientConfig,
  serviceEntry: string
): Promise<string> {
  const log = silentLogger.forComponent('xtp:doctor')
  const session = new ServiceSession({
    definition: { ...known, matcher: fmt(code(known.multiaddrCode)), serviceEntry },
    config,
    incarnation,
    // a host that exists for this one answer
    identity: new TlsIdentity(await generateKeyPair('Ed25519')),
    onRefused() {},
    connectionLog: log,
    serviceLog: log
  })
  const died = session.broken.then(async () => {
    const exit = await incarnation.exited
    const how = exit.signal ?? `exit code ${exit.exitCode}`
    const advice = config.runner.diagnose(exit, incarnation.logTail)
    throw new Error(`the service ended with ${how}${advice === undefined ? '' : `: ${advice}`}`)
  })
  // its end after the answer is what we ask for
  died.catch(() => {})
  try {
    const { implementation } = await Promise.race([session.start(START_TIMEOUT_MS), died])
    // its links may end before its reply is read: only the end of the process is waited for
    session.shutdown(STOP_TIMEOUT_MS).catch(() => {})
    return implementation
  } finally {
    await endOf(incarnation)
    session.fail(new UnavailableError('the service has ended'))
  }
}

/** Waits until the process is gone; kills it where it does not end by itself. */
async function endOf(incarnation: Incarnation): Promise<void> {
  const timer = setTimeout(() => incarnation.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await incarnation.exited
  clearTimeout(timer)
}

/** Starts the service as the defaults have it, says Hello, and ends it again. Never rejects. */
export async function tryService(
  known: KnownTransport,
  serviceEntry: string
): Promise<TransportFacts['started']> {
  const config = clientConfig({})
  const { runner } = config
  let incarnation: Incarnation | undefined
  try {
    incarnation = await runner.start({ serviceEntry, onLog: () => {} })
    const implementation = await hello(incarnation, known, config, serviceEntry)
    const { level, reason } = incarnation.sandbox
    return { implementation, level, reason }
  } catch (error) {
    return { error: (error as Error).message, logTail: [...(incarnation?.logTail ?? [])] }
  } finally {
    await runner.close()
  }
}
