// Asks the real jail what it can do here: it tries all of stage 1 in a child, for each level.

import { limitsConfig } from '../client/limits.ts'
import { delegatedCgroup, ownCgroup } from '../runner/cgroup.ts'
import { findJail } from '../runner/jail-binary.ts'
import { JailHost, type SandboxUser } from '../runner/jail-host.ts'
import type { JailFacts } from './facts.ts'

/**
 * Starts the jail as a runner does, has it probe every level, and ends it. Never rejects.
 *
 * @param serviceEntry - program of a service, which has to be readable in the sandbox
 */
export async function probeJail(serviceEntry: string, user?: SandboxUser): Promise<JailFacts> {
  const found = findJail()
  if ('missing' in found) {
    return { error: found.missing, probes: {} }
  }
  const { file } = found
  const facts: JailFacts = { file, probes: {} }
  const host = new JailHost({
    file,
    user,
    cgroup: delegatedCgroup() ?? ownCgroup(),
    limits: limitsConfig()
  })
  try {
    const jail = await host.open(serviceEntry, () => {})
    facts.landlockAbi = jail.landlockAbi
    for (const level of ['L2', 'L3', 'L4'] as const) {
      facts.probes[level] = (await jail.probe(level)) ?? 'ok'
    }
  } catch (error) {
    facts.error = (error as Error).message
  } finally {
    await host.close()
  }
  return facts
}
