// npm run bench: sets everything up, then measures (bench/run.ts).
import { build } from './build.mjs'
import { bin, main, run } from './run.mjs'

await main(async () => {
  await build()
  await run(bin('node'), ['bench/run.ts', ...process.argv.slice(2)])
})
