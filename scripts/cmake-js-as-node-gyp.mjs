#!/usr/bin/env node
// prebuildify calls this in place of node-gyp: `rebuild --target=… --arch=…` in the package's folder.
// The addons are CMake targets of one tree, so the work is handed to cmake-js at its root. What they have in
// common is built once, in the folder of the native tests, which have it from there, too.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const name = path.basename(process.cwd())
const target = name.replaceAll('-', '_')
const build = path.join(root, 'build/native')
const addon = path.join(build, 'native', name.replace('xtp-', ''), `${target}.node`)

/** The generator of a folder that has been configured cannot be changed. */
function generator() {
  const cache = path.join(build, 'CMakeCache.txt')
  const text = fs.existsSync(cache) ? fs.readFileSync(cache, 'utf8') : ''
  const [, name] = text.match(/^CMAKE_GENERATOR:INTERNAL=(.*)$/m) ?? []
  return name === undefined ? [] : ['--generator', name]
}

// the sources of a library may have come since the last one was configured
for (const command of ['configure', 'build']) {
  const { status, error } = spawnSync(
    process.execPath,
    [
      path.join(root, 'node_modules/cmake-js/bin/cmake-js'),
      ...[command, '--directory', root, '--out', build, '--config', 'Release'],
      ...['--target', target, '--parallel', '2', ...generator()],
      // whatever somebody has set there by hand
      ...['--CDXTP_SANITIZE=OFF', '--CDXTP_OPENSSL_DIR=OFF', '--CDXTP_THREADS_ONLY=OFF']
    ],
    { stdio: 'inherit', cwd: root }
  )
  if (error) {
    console.error(error.message)
  }
  if (status !== 0) {
    process.exit(status ?? 1)
  }
}
// where prebuildify looks, and strips it
fs.mkdirSync('build/Release', { recursive: true })
fs.copyFileSync(addon, path.join('build/Release', `${target}.node`))
