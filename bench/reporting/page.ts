// One HTML page that needs nothing else: the plots are SVG inside it, and there is no script.
import { Error as LogLevelError, parse, View } from 'vega'
import { compile } from 'vega-lite'
import { type Plot, plots } from './plots.ts'
import type { Report } from './report.ts'
import { type Table, tables } from './tables.ts'

const FONT = 'system-ui, sans-serif'

const STYLE = `
  :root { color-scheme: light; }
  body { font: 15px/1.5 ${FONT}; color: #1c1c1c; background: #fff; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; }
  p.note { color: #555; margin: .2rem 0 .8rem; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
  th, td { border-bottom: 1px solid #ddd; padding: .25rem .7rem; text-align: right; white-space: nowrap; }
  th:first-child, td:first-child { text-align: left; white-space: normal; }
  .wide { overflow-x: auto; }
  svg { max-width: 100%; height: auto; }
  .met { color: #0a6b2d; } .missed { color: #b00020; font-weight: 600; }
`

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

async function svg({ spec }: Plot): Promise<string> {
  const { spec: compiled } = compile({
    ...spec,
    config: { font: FONT, view: { stroke: null }, axis: { gridColor: '#e8e8e8' } }
  })
  const view = new View(parse(compiled), { renderer: 'none', logLevel: LogLevelError })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

function cell(text: string, tag: string): string {
  const mark = text === 'met' ? 'met' : text.includes('**missed**') ? 'missed' : undefined
  const plain = escaped(text.replaceAll('**', ''))
  return `<${tag}>${mark ? `<span class="${mark}">${plain}</span>` : plain}</${tag}>`
}

function html({ title, head, rows }: Table): string {
  const line = (cells: string[], tag: string) =>
    `<tr>${cells.map(text => cell(text, tag)).join('')}</tr>`
  return (
    `<h2>${escaped(title)}</h2><div class="wide"><table><thead>${line(head, 'th')}</thead>` +
    `<tbody>${rows.map(row => line(row, 'td')).join('\n')}</tbody></table></div>`
  )
}

export async function page(
  report: Report,
  { description, versions }: { description: string; versions: string }
): Promise<string> {
  const [goals, ...others] = tables(report)
  const figures: string[] = []
  for (const plot of plots(report)) {
    figures.push(
      `<h2>${escaped(plot.title)}</h2><p class="note">${escaped(plot.caption)}</p>${await svg(plot)}`
    )
  }
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>XTP benchmark</title>',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<style>${STYLE}</style></head><body><h1>XTP benchmark</h1>`,
    `<p>${escaped(description)}</p><p class="note">${escaped(versions)}</p>`,
    ...report.troubles.map(
      ({ title, message }) => `<p class="missed">Failed: ${escaped(`${title}: ${message}`)}</p>`
    ),
    goals === undefined ? '' : html(goals),
    ...figures,
    ...others.map(html),
    '</body></html>\n'
  ].join('\n')
}
