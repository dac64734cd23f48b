// npm run bench [-- --quick | --levels | --failover] [options]: sets everything up, then measures.
import { build } from './build.mjs'
import { buildReferences } from './build-bench.mjs'
import { takeFigures } from './figures.mjs'
import { bin, main, run } from './run.mjs'

// without one of them: the contestants side by side
const PROGRAMS = { '--failover': 'bench/failover.ts' }

await main(async () => {
  await build()
  const [first, ...rest] = process.argv.slice(2)
  const program = PROGRAMS[first]
  if (program === undefined) {
    await buildReferences()
    await run(bin('node'), ['bench/run.ts', ...process.argv.slice(2)])
    takeFigures()
  } else {
    await run(bin('node'), [program, ...rest])
  }
})
