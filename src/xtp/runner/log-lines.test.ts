import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogLines, MAX_LINE_BYTES } from './log-lines.ts'

function collect(...chunks: string[]): string[] {
  const lines: string[] = []
  const splitter = new LogLines(line => lines.push(line))
  for (const chunk of chunks) {
    splitter.push(Buffer.from(chunk))
  }
  splitter.flush()
  return lines
}

test('lines are put together over chunks, empty ones are dropped', () => {
  assert.deepEqual(collect('a\nb', 'c\n\n', '\nd'), ['a', 'bc', 'd'])
})

test('a character that is split over chunks survives', () => {
  const [euro] = [Buffer.from('€')]
  const lines: string[] = []
  const splitter = new LogLines(line => lines.push(line))
  splitter.push(euro.subarray(0, 1))
  splitter.push(euro.subarray(1))
  splitter.push(Buffer.from('\n'))
  assert.deepEqual(lines, ['€'])
})

test('a line without end is cut at the limit, and what follows it is not lost', () => {
  const lines = collect(
    'x'.repeat(MAX_LINE_BYTES - 1),
    'x'.repeat(100_000),
    'x'.repeat(100_000),
    'x\nnext\n'
  )
  assert.equal(lines.length, 2)
  assert.equal(lines[0]?.length, MAX_LINE_BYTES)
  assert.equal(lines[1], 'next')
})

test('escape sequences do not reach the terminal of whoever reads the log', () => {
  assert.deepEqual(collect('\u001b[31mred\u0007 \u009b2J\ttab\r\n'), [
    '\ufffd[31mred\ufffd \ufffd2J\ttab'
  ])
})
