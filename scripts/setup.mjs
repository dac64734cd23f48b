// Makes a fresh clone usable: installs the pinned dependencies (and with them the pinned Node).
import fs from 'node:fs'
import path from 'node:path'
import { bin, Failure, fingerprint, output, root, run } from './run.mjs'

/** Runs `npm ci` where node_modules does not match package-lock.json. */
export async function ensureInstalled() {
  const stamp = path.join(root, 'node_modules/.xtp-lock')
  const print = fingerprint(['package-lock.json'])
  if (!fs.existsSync(stamp) || fs.readFileSync(stamp, 'utf8') !== print) {
    console.log('installing dependencies (npm ci) …')
    // no install script of a dependency is needed, so none is run
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
    fs.writeFileSync(stamp, print)
  }
  const version = output(bin('node'), ['--version'])
  if (Number(version.slice(1).split('.')[0]) < 22) {
    throw new Failure(
      `node in node_modules is ${version}: the pinned runtime has no package for ` +
        `${process.platform}-${process.arch}. Install Node 24 and run this again.`
    )
  }
}
