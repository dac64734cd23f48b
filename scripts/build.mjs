// npm run build: types and JavaScript of every package, the service bundles, the addons, xtp-jail.
import fs from 'node:fs'
import path from 'node:path'
import { buildAddon } from './build-addon.mjs'
import { buildJail } from './build-jail.mjs'
import { bin, files, fingerprint, main, output, root, run, unlessFresh } from './run.mjs'
import { ensureInstalled } from './setup.mjs'
import { TRANSPORTS } from './transports.mjs'

const TRANSPORT_NAMES = Object.keys(TRANSPORTS)
const PACKAGES = ['xtp', ...TRANSPORT_NAMES]
const isSource = name => /\.(ts|js|json)$/.test(name) && !name.endsWith('.test.ts')

async function compile(name) {
  const dir = `src/${name}`
  const print = fingerprint(
    files(
      ['src/xtp', dir, 'tsconfig.base.json', 'scripts/build.mjs', 'package-lock.json'],
      isSource
    )
  )
  await unlessFresh(
    `compiling ${name}`,
    `tsc-${name}`,
    print,
    [`${dir}/dist/index.js`],
    async () => {
      const service = path.join(root, dir, 'dist/service.cjs')
      fs.rmSync(path.join(root, dir, 'dist'), { recursive: true, force: true })
      await run(bin('tsc'), ['-p', `${dir}/tsconfig.build.json`])
      for (const file of files([dir], f => f.includes('/proto/'))) {
        const to = path.join(
          root,
          dir,
          'dist',
          path.relative(path.join(root, dir), path.join(root, file))
        )
        fs.mkdirSync(path.dirname(to), { recursive: true })
        fs.copyFileSync(path.join(root, file), to)
      }
      for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) {
        fs.copyFileSync(path.join(root, licence), path.join(root, dir, licence))
      }
      // npm makes them executable where it installs a tarball, not in a workspace
      const { bin: programs = {} } = JSON.parse(
        fs.readFileSync(path.join(root, dir, 'package.json'), 'utf8')
      )
      for (const program of Object.values(programs)) {
        fs.chmodSync(path.join(root, dir, program), 0o755)
      }
      if (TRANSPORT_NAMES.includes(name)) {
        await bundle(name, service)
      }
    }
  )
}

/** One file for the child: it starts in a quarter of the time that separate modules take. */
async function bundle(name, outfile) {
  const { build } = await import('esbuild')
  await build({
    entryPoints: [path.join(root, 'src', name, 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    // a module that imports Node's own has all that is in them loaded
    format: 'cjs',
    target: 'node22',
    conditions: ['xtp:source'],
    alias: { 'uint8arrays/from-string': path.join(root, 'src/xtp/service/from-string.ts') },
    legalComments: 'eof',
    define: { 'import.meta.url': 'serviceUrl' },
    banner: { js: "const serviceUrl = require('node:url').pathToFileURL(__filename).href" },
    logLevel: 'warning'
  })
}

export async function build({ addons = true } = {}) {
  await ensureInstalled()
  for (const name of PACKAGES) {
    await compile(name)
  }
  if (addons) {
    await buildJail()
    for (const name of TRANSPORT_NAMES) {
      await buildAddon(name)
    }
  }
}

if (process.argv[1] === import.meta.filename) {
  await main(async () => {
    await build()
    console.log(`built ${PACKAGES.join(', ')} with node ${output(bin('node'), ['--version'])}`)
  })
}
