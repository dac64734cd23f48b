#!/usr/bin/env node
// prebuildify calls this in place of node-gyp: `rebuild --target=… --arch=…` in the package's folder.
// The addons are CMake targets of one tree, so the work is handed to cmake-js at its root.
import { spawnSync } from 'node:child_process'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const name = path.basename(process.cwd())
const target = name.replaceAll('-', '_')
const { status, error } = spawnSync(
  process.execPath,
  [
    path.join(root, 'node_modules/cmake-js/bin/cmake-js'),
    'rebuild',
    '--directory',
    root,
    '--out',
    path.join(process.cwd(), 'build'),
    '--config',
    'Release',
    '--target',
    target,
    '--parallel',
    '2'
  ],
  { stdio: 'inherit', cwd: root }
)
if (error) {
  console.error(error.message)
}
process.exit(status ?? 1)
