// npm run bench [-- --levels | --failover | --networks] [options]: sets everything up, then measures.
import { build } from './build.mjs'
import { buildEmulator } from './build-emulator.mjs'
import { bin, main, run } from './run.mjs'

// without one of them: the contestants side by side
const PROGRAMS = {
  '--levels': 'bench/levels.ts',
  '--failover': 'bench/failover.ts',
  '--networks': 'bench/networks.ts'
}

await main(async () => {
  await build()
  const [first, ...rest] = process.argv.slice(2)
  const program = PROGRAMS[first]
  if (first === '--networks') {
    await buildEmulator()
  }
  const args = program === undefined ? process.argv.slice(2) : rest
  await run(bin('node'), [program ?? 'bench/run.ts', ...args])
})
