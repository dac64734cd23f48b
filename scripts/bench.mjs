// npm run bench [-- --quick | --levels | --long | --failover | --networks] [options]: sets everything up, then measures.
import { build } from './build.mjs'
import { buildReferences } from './build-bench.mjs'
import { buildEmulator } from './build-emulator.mjs'
import { takeFigures } from './figures.mjs'
import { bin, main, run } from './run.mjs'

// parts of a full run that can be had alone
const PROGRAMS = { '--failover': 'bench/failover.ts', '--networks': 'bench/networks.ts' }

await main(async () => {
  await build()
  const [first, ...rest] = process.argv.slice(2)
  const program = PROGRAMS[first]
  if (program === undefined || first === '--networks') {
    await buildEmulator()
  }
  if (program === undefined) {
    await buildReferences()
    await run(bin('node'), ['bench/run.ts', ...process.argv.slice(2)])
    takeFigures()
  } else {
    await run(bin('node'), [program, ...rest])
  }
})
