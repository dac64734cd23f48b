// `xtp doctor`: collects the facts of this machine, judges them, prints the report.
import os from 'node:os'
import path from 'node:path'
import { VERSION } from '../client/version.ts'
import { nodeIsSupported } from './checks.ts'
import { diagnose } from './diagnose.ts'
import type { MachineFacts } from './facts.ts'
import { jailFile, probeJail } from './jail-probe.ts'
import { readCgroup, readKernelFiles } from './kernel.ts'
import { findTransports, KNOWN_TRANSPORTS } from './packages.ts'
import { render } from './render.ts'

/** Everything that `diagnose` wants to know. `from`: transport packages are looked for from there. */
export async function collect(from: string): Promise<MachineFacts> {
  const linux = process.platform === 'linux'
  const files = linux ? readKernelFiles() : {}
  const cgroup = linux ? readCgroup(files) : undefined
  const facts: MachineFacts = {
    xtp: VERSION,
    node: process.version,
    platform: process.platform,
    arch: process.arch,
    uid: process.getuid?.(),
    kernel: os.release(),
    files,
    cgroup,
    jail: await probeJail(jailFile(), cgroup?.writable ? cgroup.directory : undefined),
    transports: findTransports(from)
  }
  if (nodeIsSupported(facts)) {
    // what is imported there does not load on every Node that can run this file
    const { tryService } = await import('./try-service.ts')
    for (const transport of facts.transports) {
      const known = KNOWN_TRANSPORTS.find(({ packageName }) => packageName === transport.package)
      if (known !== undefined) {
        const entry = path.join(transport.directory, 'dist/service.js')
        transport.started = await tryService(known, entry)
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
