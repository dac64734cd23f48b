// What spec/xtp-ctl.md says, against the code: tables of fields, messages, codes and limits, and that
// every MUST is checked by a vector or a test that exists.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, it } from 'node:test'
import {
  EVENT_RULES,
  errorFromStatus,
  isRetryable,
  REQUEST_RULES,
  STATUS,
  statusErrno
} from 'xtp/ctl'
import * as limits from '../../src/xtp/ctl/limits.ts'
import {
  type Field,
  FRAME_SCHEMA,
  type MessageSchema,
  STREAM_HEADER_SCHEMA
} from '../../src/xtp/ctl/schema.ts'
import { FIRST_LOCAL_STATUS } from '../../src/xtp/ctl/status.ts'
import { SPEC } from './spec-example.ts'
import { VECTORS } from './vectors.ts'

const ROOT = new URL('../../', import.meta.url)
const spec = fs.readFileSync(SPEC, 'utf8')

const cells = (row: string): string[] =>
  row
    .slice(1, -1)
    .split('|')
    .map(cell => cell.trim())

/** All tables: their first line without padding, and the cells of their rows. */
function tables(): Array<{ head: string; rows: string[][]; before: string }> {
  const found = []
  const pattern = /(?:^\|.*\|\n)+/gm
  for (const { 0: text, index } of spec.matchAll(pattern)) {
    const [head = '', , ...rows] = text.trimEnd().split('\n')
    found.push({
      head: `| ${cells(head).join(' | ')} |`,
      rows: rows.map(cells),
      before: spec.slice(0, index)
    })
  }
  return found
}

function table(head: string): string[][] {
  const rows = tables().find(t => t.head === head)?.rows
  assert.ok(rows != null, `there is a table ${head}`)
  return rows
}

const number = (n: number): string => n.toLocaleString('en')

/** The cells `#`, `field`, `type` and `limits`. */
function fieldRow(
  n: number,
  { name, type, min, max, parity, repeated, required }: Field
): string[] {
  const typeName = typeof type === 'object' ? type.name : type
  const isLength = type === 'string' || type === 'bytes'
  let range = ''
  if (min != null && max != null) range = `${number(min)} to ${number(max)}`
  else if (min != null) range = `>= ${number(min)}`
  else if (max != null) range = `<= ${number(max)}`
  if (range !== '' && isLength) range += ' bytes'
  if (parity != null) range = `${parity}, ${range}`
  if (required) range = 'required'
  if (repeated != null) {
    range = `at most ${number(repeated)}${range === '' ? '' : `, each ${range}`}`
  }
  return [`${n}`, name, `${repeated == null ? '' : 'repeated '}${typeName}`, range]
}

function schemas(schema: MessageSchema, into = new Map<string, MessageSchema>()): typeof into {
  into.set(schema.name, schema)
  for (const { type } of schema.fields.values()) {
    if (typeof type === 'object') schemas(type, into)
  }
  return into
}

/** The message that a table of fields is about: named in its head, or in bold or in the title above. */
function subject(head: string, before: string): string {
  const inHead = /\| field of (\w+) \|/.exec(head)?.[1]
  const above = [...before.matchAll(/^(?:\*\*(\w+)\*\*|### [\d.]+ (\w+)$)/gm)].at(-1)
  return inHead ?? above?.[1] ?? above?.[2] ?? ''
}

describe('spec: tables', () => {
  it('has every field of every message, with its limits', () => {
    const all = schemas(FRAME_SCHEMA)
    schemas(STREAM_HEADER_SCHEMA, all)
    const seen = new Set<string>()
    for (const { head, rows, before } of tables()) {
      if (!/^\| # \| field/.test(head)) continue
      const last = before.lastIndexOf('\n## ')
      const name = before.slice(last).startsWith('\n## 8.') ? 'StreamHeader' : subject(head, before)
      const schema = all.get(name)
      assert.ok(schema != null, `${name} is a message`)
      const fields = [...schema.fields].filter(([n]) => name !== 'Frame' || n < 16)
      assert.deepEqual(
        rows.map(row => row.slice(0, 4)),
        fields.map(([n, field]) => fieldRow(n, field)),
        name
      )
      assert.ok(
        rows.every(row => row.length === 5 && row[4] !== ''),
        `${name}: every field has a meaning`
      )
      assert.ok(!seen.has(name), `${name} comes once`)
      seen.add(name)
    }
    for (const [name, { fields }] of all) {
      if (fields.size > 0) assert.ok(seen.has(name), `${name} is described`)
      else assert.match(spec, new RegExp(`\\*\\*${name}\\*\\* has no field`))
    }
  })

  it('has exactly the messages that are allowed', () => {
    const snake = (name: string): string => name.replace(/[A-Z]/g, c => `_${c.toLowerCase()}`)
    const expected = [
      ...Object.entries(REQUEST_RULES).map(([kind, { from, states, reply }]) => [
        kind,
        'request',
        from,
        states.join(', '),
        reply == null ? 'none' : snake(reply)
      ]),
      ...Object.entries(EVENT_RULES).map(([kind, { from, states }]) => [
        kind,
        'event',
        from.join(', '),
        states.join(', '),
        ''
      ])
    ]
    assert.deepEqual(table('| message | kind | from | states | body of the answer OK |'), expected)
  })

  it('has exactly the status codes, with what they mean to a program', () => {
    const expected = Object.entries(STATUS).map(([name, code]) => {
      const Class = errorFromStatus({ code }).constructor.name
      return [
        `${code}`,
        name,
        isRetryable(code) ? 'yes' : 'no',
        statusErrno(code) ?? '',
        code === 0 ? `${Class}, as the code of a reset` : Class
      ]
    })
    assert.deepEqual(table('| code | name | retryable | errno | error class of xtp |'), expected)
  })

  it('has exactly the limits', () => {
    const expected = Object.entries({ ...limits, FIRST_LOCAL_STATUS }).flatMap(([name, value]) =>
      typeof value === 'number' ? [[name, number(value)] as const] : []
    )
    const rows = table('| name | value | where |')
    assert.deepEqual(new Map(rows.map(([name, value]) => [name, value])), new Map(expected))
  })
})

describe('spec: rules', () => {
  const [body = '', appendix = ''] = spec.split('## Appendix A')
  const rows = appendix.split('\n').filter(row => /^\| R\d+\s+\|/.test(row))
  const checkedBy = new Map(
    rows.map(
      row =>
        row
          .slice(1, -1)
          .split(' | ')
          .map(cell => cell.trim()) as [string, string]
    )
  )

  it('numbers every MUST, and has every number in appendix A', () => {
    const text = body.slice(body.indexOf('## 2. Links'))
    for (const paragraph of text.split(/\n\n|\n(?=[|-])/)) {
      if (!/\bMUST\b/.test(paragraph)) continue
      assert.match(paragraph, /\(R\d+/, `a MUST without number: ${paragraph}`)
      // A sentence with a MUST ends with its number, or has it right behind.
      const numbers = paragraph.match(/\(R\d+/g)?.length ?? 0
      const sentences = paragraph.split(/(?<=\.)\s/).filter(s => /\bMUST\b/.test(s)).length
      assert.ok(numbers >= 1 && sentences <= numbers, paragraph)
    }
    const used = new Set([...body.matchAll(/\((R\d+)/g)].map(([, rule]) => rule as string))
    assert.deepEqual([...used].sort(), [...checkedBy.keys()].sort())
  })

  it('is checked by vectors and tests that exist', () => {
    const sources = ['src/xtp/ctl/', 'src/xtp/client/', 'test/conformance/'].flatMap(folder =>
      (fs.readdirSync(new URL(folder, ROOT), { recursive: true }) as string[])
        .filter(name => name.endsWith('.test.ts'))
        .map(name => fs.readFileSync(new URL(folder + name, ROOT), 'utf8'))
    )
    const vectors = new Set(fs.readdirSync(VECTORS))
    for (const [rule, cell] of checkedBy) {
      for (const [, title] of cell.matchAll(/"([^"]+)"/g)) {
        assert.ok(
          sources.some(source => source.includes(title as string)),
          `${rule}: there is no test "${title}"`
        )
      }
      const files = cell.replace(/"[^"]+"/g, '').match(/[\w-]+\.json/g) ?? []
      for (const file of files) assert.ok(vectors.has(file), `${rule}: there is no ${file}`)
      assert.ok(files.length > 0 || cell.includes('"'), `${rule} is checked by something`)
    }
  })
})
