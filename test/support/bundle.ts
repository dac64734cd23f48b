// Service programs of the tests, bundled as those of the packages are (scripts/build.mjs).
import path from 'node:path'
import { build } from 'esbuild'

export async function bundleService(name: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [path.resolve(import.meta.dirname, '../fixtures', name)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    conditions: ['xtp:source'],
    define: { 'import.meta.url': 'serviceUrl' },
    banner: { js: "const serviceUrl = require('node:url').pathToFileURL(__filename).href" },
    logLevel: 'warning'
  })
}
