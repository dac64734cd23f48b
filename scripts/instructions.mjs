// npm run instructions [-- --update]: how many instructions the native data path needs per KiB, compared with
// scripts/instructions.json. Counted by callgrind over simulated networks, so that the machine's load and speed
// do not matter; more than the tolerance is a failure.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { readCallgrind } from './callgrind.mjs'
import { bin, Failure, has, main, output, root } from './run.mjs'
import { ensureInstalled } from './setup.mjs'
import { buildNative, installDebian } from './test-setup.mjs'

const BASELINE = 'scripts/instructions.json'
const KIB = 16 * 1024
/** Another version of the compiler makes other code of the same source. */
const TOLERANCE = { sameCompiler: 0.05, other: 0.3 }

const PROGRAMS = [
  { name: 'mux', file: 'common/mux_instructions' },
  { name: 'utp', file: 'utp/utp_instructions', library: 'libutp' },
  { name: 'quic', file: 'quic/quic_instructions.node', library: 'ngtcp2', inNode: true }
]

async function ensureValgrind() {
  if (!has('valgrind')) {
    await installDebian('valgrind', 'counting instructions needs valgrind')
  }
}

/** What tests bring along, and templates of the standard library that they share with the engine. */
const ignored = name =>
  /::(sim|test)::|^xtp::test::|^std::|^void std::|^__gnu|^_|^main$|^\(below main\)$/.test(name)

function count({ file, inNode, library }, dir) {
  const program = path.join(root, dir, 'native', file)
  const counts = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-callgrind-')), 'out')
  const load = 'process.dlopen({exports:{}},process.argv[1])'
  const command = inNode ? [bin('node'), '-e', load, program] : [program]
  try {
    execFileSync(
      'valgrind',
      ['--tool=callgrind', '--quiet', `--callgrind-out-file=${counts}`, ...command],
      { stdio: ['ignore', 'ignore', 'inherit'], timeout: 600_000 }
    )
    const sums = { ours: 0, ...(library && { [library]: 0 }) }
    for (const { name, object, self, calls } of readCallgrind(fs.readFileSync(counts, 'utf8'))) {
      if (object !== program || ignored(name)) {
        continue
      }
      // memory and its copies are the caller's, too
      const libc = [...calls].filter(([callee]) => /\/lib(c|stdc\+\+)\.so/.test(callee.object))
      const sum = libc.reduce((total, [, cost]) => total + cost, self)
      const whose = name.startsWith('xtp::') || library === undefined ? 'ours' : library
      sums[whose] += sum
    }
    if (sums.ours === 0) {
      throw new Failure(`callgrind saw nothing of ours in ${file}: was it stripped?`)
    }
    return Object.fromEntries(
      Object.entries(sums).map(([whose, sum]) => [whose, Math.round(sum / KIB)])
    )
  } finally {
    fs.rmSync(path.dirname(counts), { recursive: true })
  }
}

const percent = share => `${share < 0 ? '−' : '+'}${Math.abs(share * 100).toFixed(1)}`

const compiler = () =>
  `${process.arch} ${output('c++', ['--version'])
    .split('\n')[0]
    .replace(/\.\d+$/, '')}`

/** Counts, compares and prints. A Failure where anything costs too much. */
export async function instructions({ update = false } = {}) {
  await ensureValgrind()
  const dir = await buildNative('')
  const file = path.join(root, BASELINE)
  const baseline = update ? undefined : JSON.parse(fs.readFileSync(file, 'utf8'))
  const same = baseline?.compiler === compiler()
  const tolerance = same ? TOLERANCE.sameCompiler : TOLERANCE.other
  const counted = {}
  const worse = []
  for (const program of PROGRAMS) {
    counted[program.name] = count(program, dir)
    for (const [whose, now] of Object.entries(counted[program.name])) {
      const before = baseline?.instructionsPerKib[program.name]?.[whose]
      const change =
        before === undefined ? '' : ` (${before} before, ${percent(now / before - 1)} %)`
      console.log(`${program.name}, ${whose}: ${now} instructions per KiB${change}`)
      if (!update && !(now <= before * (1 + tolerance))) {
        worse.push(`${program.name} (${whose}) needs ${now} instructions per KiB, not ${before}`)
      } else if (now < before * (1 - tolerance)) {
        console.log(`that is less than before: keep it with npm run instructions -- --update`)
      }
    }
  }
  if (update) {
    const content = { compiler: compiler(), instructionsPerKib: counted }
    fs.writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)
  }
  if (worse.length > 0) {
    throw new Failure(
      `${worse.join('; ')} (tolerance ${tolerance * 100} %). If that has a reason: npm run instructions -- --update`
    )
  }
  return PROGRAMS.length
}

if (process.argv[1] === import.meta.filename) {
  await main(async () => {
    await ensureInstalled()
    await instructions({ update: process.argv.includes('--update') })
  })
}
