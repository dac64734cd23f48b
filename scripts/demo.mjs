// npm run demo [-- --size MiB] [-- FILE]: sets everything up, then runs examples/demo.
import { build } from './build.mjs'
import { bin, main, run } from './run.mjs'

await main(async () => {
  await build()
  await run(bin('node'), ['examples/demo/main.ts', ...process.argv.slice(2)])
})
