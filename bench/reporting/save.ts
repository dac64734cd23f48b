// The forms of a report: JSON, Markdown, one HTML page, and what the terminal shows.
import { saveReport, saveText } from '../harness.ts'
import { page } from './page.ts'
import type { Report } from './report.ts'
import { goalTable, markdown, tables } from './tables.ts'

export function describe({ plan, began, seconds, machine, versions }: Report): string {
  const { cores, cpu, kernel, node } = machine
  const options = versions.v8Options.length === 0 ? 'none' : versions.v8Options.join(' ')
  return (
    `${cores} × ${cpu}, Linux ${kernel}, Node ${node}. Commit ${versions.commit}. ` +
    `Run \`${plan}\`, ${began}, ${seconds} s. Figures are medians, with the range of the rounds. ` +
    `Options of V8, the same for everybody: ${options}.`
  )
}

function versionLine({ versions: { packages, libraries } }: Report): string {
  return [...Object.entries(packages), ...Object.entries(libraries)]
    .map(v => v.join(' '))
    .join(', ')
}

function troubleText({ troubles }: Report): string {
  return troubles.map(({ title, message }) => `- FAILED: ${title}: ${message}`).join('\n')
}

function asMarkdown(report: Report): string {
  const sections = tables(report).map(table => `## ${table.title}\n\n${markdown(table)}`)
  return ['# Benchmark', describe(report), versionLine(report), troubleText(report), ...sections]
    .filter(text => text !== '')
    .join('\n\n')
}

/** The first tables, the failures, and where the rest is. */
export function terminalText(report: Report): string {
  const shown = tables(report).slice(1, 3)
  return [
    ...shown.map(table => `${table.title}\n${markdown(table)}`),
    `Goals\n${markdown(goalTable(report))}`,
    describe(report),
    troubleText(report),
    'Everything: bench/report/report.html, report.md, report.json'
  ]
    .filter(text => text !== '')
    .join('\n\n')
}

export async function saveAll(report: Report): Promise<void> {
  saveReport('report', report)
  saveText('report.md', `${asMarkdown(report)}\n`)
  saveText(
    'report.html',
    await page(report, { description: describe(report), versions: versionLine(report) })
  )
}
