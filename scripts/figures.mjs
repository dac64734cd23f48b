// bench/figures.json: what README says of a run, taken from bench/report/report.json. Written by a full run of
// `npm run bench`.
import fs from 'node:fs'
import path from 'node:path'
import { measuredCommit, measuredHash } from './measured.mjs'
import { root } from './run.mjs'

export const FIGURES = 'bench/figures.json'
const REPORT = 'bench/report/report.json'

/** Rows of README's tables, in their order. */
const KINDS = [
  'quic',
  'quic-1452',
  'utp',
  'utp-libp2p',
  'udt',
  'tcp-noise',
  'tcp-xtp',
  'tcp-tls',
  'tcp-plaintext',
  'ws-noise',
  'quinn',
  'utp-raw',
  'utp-native-raw',
  'udt-raw',
  'tcp-raw',
  ...['quic', 'utp'].flatMap(name => [`${name}-inside`, `${name}@L0`, `${name}@L2`, `${name}@L3`])
]
const METRICS = [
  'upMBps',
  'downMBps',
  'cpu',
  'echoP50us',
  'echoP99us',
  'connectionsPerSecond',
  'startMs',
  'rssParentMb',
  'rssServiceMb'
]

/** Of those with many streams, or connections: who uses the processor. */
const MANY_KINDS = ['quic', 'quic-1024-streams', 'utp', 'utp-libp2p', 'tcp-noise', 'tcp-xtp']
const MANY = ['streams1', 'streams1000', 'connections1', 'connections1000']

const absolute = name => path.join(root, name)
const rounded = value => Number(value.toPrecision(3))

/** Why a report is none that README should show, or nothing. */
function unfit({ plan, troubles }) {
  if (plan !== 'full') {
    return `it was a run \`${plan}\``
  }
  return troubles.length > 0 ? 'something failed in it' : undefined
}

/** Writes bench/figures.json, where the last run was a whole one of committed sources. */
export function takeFigures() {
  const report = JSON.parse(fs.readFileSync(absolute(REPORT), 'utf8'))
  const commit = measuredCommit()
  const why = unfit(report) ?? (commit === undefined ? 'its sources are not committed' : undefined)
  if (why !== undefined) {
    console.log(`\n${FIGURES} stays as it is: ${why}`)
    return
  }
  const figures = {
    commit,
    sources: measuredHash(),
    date: report.began.slice(0, 10),
    machine: report.machine,
    rows: KINDS.filter(kind => report.figures[kind] !== undefined).map(kind => ({
      kind,
      title: report.titles[kind],
      ...Object.fromEntries(
        METRICS.filter(name => report.figures[kind][name] !== undefined).map(name => [
          name,
          rounded(report.figures[kind][name].median)
        ])
      )
    })),
    many: many(report),
    goals: report.goals.map(({ label, measured, least, most, goal, met }) => ({
      label,
      measured: rounded(measured),
      least: rounded(least),
      most: rounded(most),
      goal,
      met
    })),
    crashes: (report.crashes?.summary ?? []).map(crash => ({
      title: crash.title,
      medianMs: rounded(crash.medianMs),
      p99Ms: rounded(crash.p99Ms),
      goalMs: crash.goalMs,
      lost: crash.lostMedian,
      bindAttempts: crash.bindAttempts,
      bindSuccesses: crash.bindSuccesses
    })),
    networks: networks(report)
  }
  fs.writeFileSync(absolute(FIGURES), `${JSON.stringify(figures, null, 2)}\n`)
  console.log(`\nwrote ${FIGURES}; \`npm run format\` puts it into README.md`)
}

/** CPU seconds per GB of applications and services, per contestant and number. */
function many({ figures, titles }) {
  return MANY_KINDS.filter(kind => figures[kind]?.['streams1.cpu'] !== undefined).map(kind => ({
    kind,
    title: titles[kind],
    ...Object.fromEntries(
      MANY.flatMap(name => {
        const all = figures[kind][`${name}.cpu`]
        const applications = figures[kind][`${name}.applicationCpu`]
        return all === undefined
          ? []
          : [[name, [applications, all].map(({ median }) => rounded(median))]]
      })
    )
  }))
}

/** Mean of up and down, per network and contestant. */
function networks({ networks: found }) {
  const name = key => found?.networks?.find(network => network.key === key)?.name ?? key
  return (found?.results ?? []).map(({ network, title, upMBps, downMBps }) => {
    const all = [...upMBps, ...downMBps]
    return {
      network: name(network),
      title,
      MBps: rounded(all.reduce((sum, n) => sum + n, 0) / all.length)
    }
  })
}

/** What is committed, or nothing before the first full run. */
export function readFigures() {
  const file = absolute(FIGURES)
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : undefined
}
