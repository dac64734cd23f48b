// node scripts/readme-figures.mjs [--check]: writes the tables of README.md from bench/figures.json, or checks that
// they are what it would write, and that they are not older than CONTRIBUTING.md allows.
import fs from 'node:fs'
import path from 'node:path'
import { FIGURES, readFigures } from './figures.mjs'
import { staleness } from './measured.mjs'
import { Failure, main, root } from './run.mjs'

const README = path.join(root, 'README.md')
const BEGIN = '<!-- figures: begin -->'
const END = '<!-- figures: end -->'
const REMEDY =
  '`npm run bench` on an idle machine with committed sources, then `npm run format`, and commit both files'

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')

const two = (row, a, b) => (row[a] === undefined ? '' : `${row[a]} / ${row[b]}`)
const one = value => (value === undefined ? '' : String(value))

function contestants(rows) {
  return table(
    [
      'one stream, 64 KiB writes',
      'MB/s up / down',
      'CPU s/GB, all processes',
      'echo p50 / p99, µs',
      'connections/s',
      'peak RSS MB, application + service'
    ],
    rows.map(row => [
      row.title,
      two(row, 'upMBps', 'downMBps'),
      one(row.cpu),
      two(row, 'echoP50us', 'echoP99us'),
      one(row.connectionsPerSecond),
      row.rssServiceMb > 0 ? `${row.rssParentMb} + ${row.rssServiceMb}` : one(row.rssParentMb)
    ])
  )
}

function isolation(rows) {
  return table(
    ['', 'MB/s up / down', 'CPU s/GB', 'echo p50, µs', 'start to first echo, ms'],
    rows.map(row => [
      row.title,
      two(row, 'upMBps', 'downMBps'),
      one(row.cpu),
      one(row.echoP50us),
      one(row.startMs)
    ])
  )
}

/** Of a pair of both applications and of everything, what is whose. */
const whose = (pair = []) =>
  pair.length === 0 ? '' : `${pair[0]} + ${Number((pair[1] - pair[0]).toPrecision(2))}`

function many(rows) {
  return table(
    ['CPU s/GB: applications + services', 'a stream', '1,000 streams', '1,000 connections'],
    rows.map(row => [
      row.title,
      whose(row.streams1),
      whose(row.streams1000),
      whose(row.connections1000)
    ])
  )
}

function goals(found) {
  return table(
    ['', 'measured', 'each round', 'goal', ''],
    found.map(({ label, measured, least, most, goal, met }) => [
      label,
      measured,
      `${least}–${most}`,
      goal,
      met === undefined ? 'yardstick' : met ? 'met' : '**missed**'
    ])
  )
}

function crashes(found) {
  return table(
    [
      '',
      'silent after SIGKILL, ms, median / p99',
      'goal',
      'datagrams lost',
      'attempts to take the port, successful'
    ],
    found.map(crash => [
      crash.title,
      `${crash.medianMs} / ${crash.p99Ms}`,
      crash.goalMs,
      crash.lost,
      crash.bindAttempts === 0 ? 'not tried' : `${crash.bindAttempts}, ${crash.bindSuccesses}`
    ])
  )
}

/** Of two flows over one bottleneck. */
const isShared = ({ title }) => /, (alone|together)$/.test(title)

/** A row for each network, a column for each contestant. */
function networks(found) {
  const titles = [...new Set(found.map(({ title }) => title))]
  const names = [...new Set(found.map(({ network }) => network))]
  const cell = (network, title) =>
    one(found.find(result => result.network === network && result.title === title)?.MBps)
  return table(
    ['MB/s', ...titles],
    names.map(network => [network, ...titles.map(title => cell(network, title))])
  )
}

function sharing(found) {
  return table(
    ['', 'MB/s'],
    found.map(({ title, MBps }) => [title, MBps])
  )
}

function render(figures) {
  const { commit, date, machine, rows, goals: ratios, crashes: killed, networks: paths } = figures
  const isPriceOf = ({ kind }) => kind.includes('@') || kind.endsWith('-inside')
  const { cores, cpu, kernel, node } = machine
  return [
    `\`npm run bench\` of ${date}, commit ${commit}, on ${cores} × ${cpu}, Linux ${kernel}, Node ${node}: loopback, ` +
      `medians of interleaved rounds (${FIGURES}).`,
    contestants(rows.filter(row => !isPriceOf(row))),
    'What was aimed at, and what came out, within that run. A yardstick is what others do there: nobody has to meet it.',
    goals(ratios),
    ...(figures.many === undefined
      ? []
      : ['With many streams or connections, who uses the processor:', many(figures.many)]),
    'The price of isolation: the same client and addon inside the application, in a process of its own, and in a sandbox.',
    isolation(rows.filter(isPriceOf)),
    ...(killed.length > 0
      ? ['A listener whose service is killed, under 2,000 datagrams per second:', crashes(killed)]
      : []),
    ...(paths.length > 0
      ? [
          'Over emulated networks, mean of up and down:',
          networks(paths.filter(path => !isShared(path)))
        ]
      : []),
    ...(paths.some(isShared)
      ? [`Over one bottleneck (${paths.find(isShared).network}):`, sharing(paths.filter(isShared))]
      : [])
  ].join('\n\n')
}

function parts(readme) {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)]
  if (begin < 0 || end < begin) {
    throw new Failure(`README.md needs ${BEGIN} and ${END} around its figures`)
  }
  return {
    before: readme.slice(0, begin + BEGIN.length),
    figures: readme.slice(begin + BEGIN.length, end),
    after: readme.slice(end)
  }
}

/** @throws Failure that names the remedy */
export function readmeFigures({ check }) {
  const figures = readFigures()
  const { before, figures: shown, after } = parts(fs.readFileSync(README, 'utf8'))
  if (figures === undefined) {
    if (shown.includes(FIGURES)) {
      throw new Failure(`README.md has figures of ${FIGURES}, which is missing: ${REMEDY}`)
    }
    console.log(`figures: there is no ${FIGURES} yet, so those in README.md are nobody's`)
    return
  }
  const wanted = `\n${render(figures)}\n`
  if (!check && shown !== wanted) {
    fs.writeFileSync(README, `${before}${wanted}${after}`)
  } else if (shown !== wanted) {
    throw new Failure(`README.md does not show what ${FIGURES} says: \`npm run format\``)
  }
  const stale = staleness(figures)
  if (stale !== undefined) {
    throw new Failure(`README.md: ${stale}. ${REMEDY}`)
  }
}

if (process.argv[1] === import.meta.filename) {
  await main(async () => readmeFigures({ check: process.argv.includes('--check') }))
}
