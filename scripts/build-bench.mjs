// Builds the references in C++ (bench/native), into build/bench.
import path from 'node:path'
import { runLogged } from './build-addon.mjs'
import { fetchVendor } from './fetch-vendor.mjs'
import { files, fingerprint, root, unlessFresh } from './run.mjs'
import { TRANSPORTS } from './transports.mjs'

const DIR = 'build/bench'

export async function buildReferences() {
  fetchVendor('libutp')
  fetchVendor('libquic')
  const hasUdt = 'xtp-udt' in TRANSPORTS
  if (hasUdt) {
    fetchVendor('libudt')
  }
  const print = fingerprint(
    files(['CMakeLists.txt', 'package-lock.json', 'bench/native', 'native', 'vendor'], name =>
      /\.(cc|h|c|txt|json)$/.test(name)
    )
  )
  const programs = ['reference', ...(hasUdt ? ['udt_pair'] : [])]
  const outputs = [...programs, 'ngtcp2_pair.node'].map(name => `${DIR}/${name}`)
  await unlessFresh('building the references in C++', 'bench', print, outputs, async () => {
    const to = path.join(root, DIR)
    await runLogged('references', 'cmake', ['-S', '.', '-B', to, '-DXTP_BUILD_BENCH=ON'])
    const targets = ['--target', ...programs, 'ngtcp2_pair']
    await runLogged('references', 'cmake', ['--build', to, '-j2', ...targets])
  })
}
