// npm run bench [-- options, --help shows them]: sets everything up, then measures.
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { buildReferences } from './build-bench.mjs'
import { buildEmulator } from './build-emulator.mjs'
import { takeFigures } from './figures.mjs'
import { bin, Failure, main, run } from './run.mjs'

const USAGE = `npm run bench -- [--quick | --levels | --long] [--only KIND,KIND] [--rounds N] [--mib N] [--no-networks]
    everything, interleaved, into bench/report; --quick in 90 s, --levels the sandbox alone, --long with 1 GiB each
npm run bench -- --failover [--kills N] [--rounds N] [--rate N]
    how long a listener is silent after its service was killed
npm run bench -- --networks [--seconds N] [--rounds N] [--on NAME,NAME] [--only KIND,KIND]
    over emulated networks, beside the kernel's TCP
npm run bench -- --profile [--only KIND,KIND] [--streams N | --connections N] [--seconds N]
    where the CPU time of an upload goes, by perf, in all processes; default: quic and utp, one stream`

const flag = { type: 'boolean' }
const text = { type: 'string' }
const NUMBERS = ['rounds', 'mib', 'kills', 'rate', 'seconds', 'streams', 'connections']

/** Each with the options that it takes; two are parts of a full run that can be had alone, one explains figures. */
const PROGRAMS = {
  '--failover': { file: 'bench/failover.ts', options: { kills: text, rounds: text, rate: text } },
  '--networks': {
    file: 'bench/networks.ts',
    options: { seconds: text, rounds: text, on: text, only: text }
  },
  '--profile': {
    file: 'bench/profile.ts',
    options: { only: text, streams: text, connections: text, seconds: text }
  }
}
const EVERYTHING = {
  file: 'bench/run.ts',
  options: {
    ...{ quick: flag, levels: flag, long: flag, 'no-networks': flag },
    ...{ only: text, rounds: text, mib: text }
  }
}

/** @throws Failure that shows what there is */
function check(args, options) {
  let values
  try {
    values = parseArgs({ args, options }).values
  } catch (error) {
    throw new Failure(`${error.message}\n\n${USAGE}`)
  }
  for (const name of NUMBERS.filter(each => values[each] !== undefined)) {
    if (!(Number(values[name]) > 0)) {
      throw new Failure(`--${name} is ${values[name]}: a number above 0 is needed\n\n${USAGE}`)
    }
  }
}

await main(async () => {
  const all = process.argv.slice(2)
  if (all.includes('--help')) {
    console.log(USAGE)
    return
  }
  const alone = PROGRAMS[all[0]]
  const { file, options } = alone ?? EVERYTHING
  const args = alone === undefined ? all : all.slice(1)
  check(args, options)
  await build()
  if (file !== PROGRAMS['--failover'].file) {
    await buildEmulator()
  }
  if (alone === undefined) {
    await buildReferences()
  }
  await run(bin('node'), [file, ...args])
  if (alone === undefined) {
    takeFigures()
  }
})
