// npm run bench [-- --quick | --levels | --long] [--only KIND,KIND] [--rounds N] [--mib N]: every contestant, interleaved, two
// processes each, over loopback; the references in C++; crashes; and a report of all in bench/report.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { order, type Plan, planFor } from './matrix.ts'
import { isBuilt, measureReference, references } from './references.ts'
import { makeReport, type Report, type Trouble } from './reporting/report.ts'
import { saveAll, terminalText } from './reporting/save.ts'
import { measure } from './session.ts'
import type { Sample } from './summary.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    levels: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    mib: { type: 'string' },
    'no-networks': { type: 'boolean', default: false }
  }
})
const number = (text?: string) => (text === undefined ? undefined : Number(text))
const named = (['quick', 'levels', 'long'] as const).find(name => values[name])
const plan = planFor(named ?? 'full', {
  only: values.only?.split(','),
  rounds: number(values.rounds),
  mib: number(values.mib)
})

const began = performance.now()
const samples: Sample[] = []
const troubles: Trouble[] = []

/** One step, with its place in the run; one that fails is told and does not end the run. */
async function step(title: string, work: () => Promise<string>): Promise<void> {
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  process.stderr.write(`${seconds.padStart(4)} s  ${title} … `)
  try {
    process.stderr.write(`${await work()}\n`)
  } catch (error) {
    const { message } = error as Error
    process.stderr.write(`FAILED: ${message}\n`)
    troubles.push({ title, message })
  }
}

async function runContestants({ effort }: Plan): Promise<void> {
  const steps = order(plan)
  for (const [i, { kind, workload, round }] of steps.entries()) {
    await step(`${i + 1}/${steps.length} ${kind}, ${workload}, round ${round + 1}`, async () => {
      const metrics = await measure({ kind, workload }, effort)
      samples.push({ kind, workload, round, metrics })
      const { upMBps, downMBps, startMs } = metrics as Record<string, number>
      return upMBps !== undefined
        ? `${upMBps.toFixed(0)} up, ${(downMBps as number).toFixed(0)} down MB/s`
        : startMs !== undefined
          ? `${startMs.toFixed(0)} ms`
          : 'done'
    })
  }
}

async function runReferences({ nativeRounds, nativeMib }: Plan): Promise<void> {
  const kinds = Object.keys(references).filter(kind => {
    if (nativeRounds > 0 && !isBuilt(kind)) {
      process.stderr.write(`${kind} is left out: it is not there for this platform\n`)
    }
    return isBuilt(kind)
  })
  for (let round = 0; round < nativeRounds; round++) {
    for (const kind of kinds) {
      await step(`${kind}, round ${round + 1}`, async () => {
        const metrics = await measureReference(kind, nativeMib)
        samples.push({ kind, workload: 'native', round, metrics })
        return `${(metrics.MBps as number).toFixed(0)} MB/s`
      })
    }
  }
}

/** A benchmark program of its own, which leaves its figures in bench/report. */
function program(file: string, ...args: string[]): Promise<void> {
  return step(`${path.basename(file)} ${args.join(' ')}`, async () => {
    process.stderr.write('\n')
    const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 2, 2] })
    const [code, signal] = await once(child, 'exit')
    if (code !== 0) {
      throw new Error(`ended with ${code ?? signal}`)
    }
    return 'done'
  })
}

await runContestants(plan)
await runReferences(plan)
if (plan.kills > 0) {
  const kills = ['--kills', String(plan.kills), '--rounds', '1']
  await program(path.join(import.meta.dirname, 'failover.ts'), ...kills)
}
const withNetworks = plan.networks.length > 0 && !values['no-networks'] && process.getuid?.() === 0
if (withNetworks) {
  await program(path.join(import.meta.dirname, 'networks.ts'), ...plan.networks)
}

const report: Report = makeReport(plan, samples, troubles, {
  seconds: (performance.now() - began) / 1000,
  withCrashes: plan.kills > 0,
  withNetworks
})
console.log(`\n${terminalText(report)}`)
await saveAll(report)
if (troubles.length > 0) {
  process.exitCode = 1
}
