// `xtp doctor`: collects the facts of this machine, judges them, prints the report.
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { VERSION } from '../client/version.ts'
import { NOBODY } from '../runner/sandbox.ts'
import { nodeIsSupported } from './checks.ts'
import { diagnose } from './diagnose.ts'
import type { MachineFacts, TransportFacts } from './facts.ts'
import { readCgroup, readKernelFiles } from './kernel.ts'
import { findTransports, KNOWN_TRANSPORTS } from './packages.ts'
import { render } from './render.ts'

const serviceEntry = ({ directory }: TransportFacts) => path.join(directory, 'dist/service.cjs')

/** Everything that `diagnose` wants to know. `from`: transport packages are looked for from there. */
export async function collect(from: string): Promise<MachineFacts> {
  const linux = process.platform === 'linux'
  const files = linux ? readKernelFiles() : {}
  const transports = findTransports(from)
  const serviceUser = process.getuid?.() === 0 ? NOBODY : undefined
  const facts: MachineFacts = {
    xtp: VERSION,
    node: process.version,
    platform: process.platform,
    arch: process.arch,
    uid: process.getuid?.(),
    serviceUser,
    execPath: process.execPath,
    kernel: os.release(),
    files,
    cgroup: linux ? readCgroup() : undefined,
    jail: { probes: {} },
    transports
  }
  if (nodeIsSupported(facts)) {
    // what is imported there does not run on every Node that can run this file
    const { probeJail } = await import('./jail-probe.ts')
    const entries = transports.map(serviceEntry)
    // without a transport, a program that is surely there
    facts.jail = await probeJail(entries[0] ?? fileURLToPath(import.meta.url), serviceUser)
    const { tryService } = await import('./try-service.ts')
    for (const transport of transports) {
      const known = KNOWN_TRANSPORTS.find(({ packageName }) => packageName === transport.package)
      if (known !== undefined) {
        transport.started = await tryService(known, serviceEntry(transport))
      }
    }
  }
  return facts
}

/** Returns the exit code. */
export async function doctor({ json }: { json: boolean }): Promise<number> {
  const report = diagnose(await collect(process.cwd()))
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : render(report, { colour }))
  return report.ok ? 0 : 1
}
