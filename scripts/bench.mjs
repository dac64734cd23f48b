// npm run bench [-- --levels | --failover] [options]: sets everything up, then measures.
import { build } from './build.mjs'
import { bin, main, run } from './run.mjs'

// without one of them: the contestants side by side
const PROGRAMS = { '--levels': 'bench/levels.ts', '--failover': 'bench/failover.ts' }

await main(async () => {
  await build()
  const [first, ...rest] = process.argv.slice(2)
  const program = PROGRAMS[first]
  const args = program === undefined ? process.argv.slice(2) : rest
  await run(bin('node'), [program ?? 'bench/run.ts', ...args])
})
