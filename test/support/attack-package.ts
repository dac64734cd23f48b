// Makes a package of a service with an enemy inside (test/fixtures/attack-main.ts), in a temporary
// folder that every user may read.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { bundleService } from './bundle.ts'
import type { Wire } from './wires.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const ADDON = path.join(ROOT, 'build/native/native/attacks/xtp_attacks.node')

export interface AttackPackage {
  /** For the client's `serviceEntry`. */
  entry: string
  /** A folder that everybody may write. */
  writable: string
  /** Whether the addon of the transport is one that can be loaded. */
  breakAddon(broken: boolean): void
  /** Whether services that start from now on act. */
  arm(on: boolean): void
  remove(): void
}

export async function attackPackage(wire: Wire, context: object = {}): Promise<AttackPackage> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-attack-'))
  const writable = path.join(dir, 'writable')
  const prebuilds = path.join(dir, 'prebuilds')
  for (const folder of [writable, prebuilds]) {
    fs.mkdirSync(folder)
  }
  fs.chmodSync(dir, 0o755)
  fs.chmodSync(writable, 0o777)
  const platform = path.join(ROOT, `src/${wire.name}/prebuilds/${process.platform}-${process.arch}`)
  const [transport] = fs.readdirSync(platform).filter(name => name.endsWith('.node'))
  const addon = path.join(prebuilds, 'transport.node')
  const whole = path.join(platform, transport as string)
  fs.copyFileSync(whole, addon)
  fs.copyFileSync(ADDON, path.join(prebuilds, 'attacks.node'))
  const packageFile = path.join(dir, 'package.json')
  fs.writeFileSync(packageFile, '{ "type": "module" }')
  fs.writeFileSync(
    path.join(prebuilds, 'context.json'),
    JSON.stringify({ kind: wire.transport.name, packageFile, writable, ...context })
  )
  const entry = path.join(dir, 'dist/service.cjs')
  await bundleService('attack-main.ts', entry)
  const disarmed = path.join(prebuilds, 'disarmed')
  const arm = (on: boolean) =>
    on ? fs.rmSync(disarmed, { force: true }) : fs.writeFileSync(disarmed, '')
  const breakAddon = (broken: boolean) => {
    // another file: a running service may have the old one mapped
    fs.rmSync(addon)
    if (broken) {
      fs.writeFileSync(addon, 'not a library')
    } else {
      fs.copyFileSync(whole, addon)
    }
  }
  const remove = () => fs.rmSync(dir, { recursive: true, force: true })
  return { entry, writable, breakAddon, arm, remove }
}
