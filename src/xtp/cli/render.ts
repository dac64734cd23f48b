// The report for people: aligned, one line for each thing, what to do about it below, a verdict last.
import type { DoctorReport, LevelResult, State, TransportResult } from './report.ts'

const MARK: Record<State, string> = { ok: '✔', missing: '✘', unknown: '?' }
const COLOUR: Record<State, string> = { ok: '32', missing: '31', unknown: '33' }
const BOLD = '1'
/** Lines are broken to stay within it. */
const COLUMNS = 100

interface Row {
  state: State
  title: string
  value: string
  remedy?: string
}

function levelRow({ level, state, reason }: LevelResult): Row {
  const value = {
    ok: 'works here',
    // without the level, which is the title
    missing: reason?.replace(`${level} `, '') ?? 'does not work here',
    unknown: 'not tried: xtp-jail did not run'
  }
  return { state, title: `sandbox level ${level}`, value: value[state] }
}

function transportRow(transport: TransportResult): Row {
  const { state, version, implementation, level, error, remedy } = transport
  const value =
    state === 'ok'
      ? `${implementation}, answered at ${level}`
      : `${version}${transport.addon === undefined ? ', no addon' : ''}: ${error}`
  return { state, title: transport.package, value, remedy }
}

function verdict({ sandbox, levels, transports }: DoctorReport): string {
  const { level, next, reason } = sandbox
  if (level === undefined) {
    return `Services cannot be started in a sandbox here: ${reason}.`
  }
  const failed = transports.filter(({ state }) => state !== 'ok').map(t => t.package)
  const used = `Services run at ${level}: ${reason}.`
  const works = levels.some(found => found.level === next && found.state === 'ok')
  const wanted = works ? ` ${next} works too: sandbox: { level: '${next}' }.` : ''
  const broken = failed.length === 0 ? '' : ` ${failed.join(', ')} cannot be started.`
  const none = transports.length === 0 ? ' No transport package is installed here.' : ''
  return `${used}${wanted}${broken}${none}`
}

/** Breaks a text at spaces, so that lines stay readable in a terminal; a long word stays whole. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`
    } else {
      lines.push(word)
    }
  }
  return lines
}

/** @param colour - whether the terminal takes ANSI colours */
export function render(report: DoctorReport, { colour = false } = {}): string {
  const paint = (code: string, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  const rows: Row[] = [
    ...report.checks,
    ...report.levels.map(levelRow),
    ...report.transports.map(transportRow)
  ]
  const width = Math.max(...rows.map(({ title }) => title.length))
  const margin = width + 5
  const lines = rows.flatMap(({ state, title, value, remedy }) => {
    const [first, ...rest] = wrap(value, COLUMNS - margin)
    const advice = remedy === undefined ? [] : wrap(`→ ${remedy}`, COLUMNS - margin)
    return [
      `${paint(COLOUR[state], MARK[state])} ${title.padEnd(width)}   ${first}`,
      ...[...rest, ...advice].map(line => ' '.repeat(margin) + line)
    ]
  })
  const end = paint(BOLD, `${MARK[report.ok ? 'ok' : 'missing']} ${verdict(report)}`)
  return `${[`xtp ${report.xtp}`, '', ...lines, '', end].join('\n')}\n`
}
