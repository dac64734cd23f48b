// The worked example of spec/xtp-ctl.md as text: the recorded session, cut into its frames.
import { decodeMuxHeader, FrameDecoder, MUX_FLAG, MUX_TYPE } from 'xtp/ctl'
import { type ExampleStep, exampleSession } from './example-session.ts'
import { frameToJson } from './vector-json.ts'

export const SPEC = new URL('../../spec/xtp-ctl.md', import.meta.url)

const BEGIN = '<!-- example: written by test/conformance/generate-vectors.ts -->\n'
const END = '<!-- end of example -->\n'
const BYTES_PER_LINE = 24

interface Piece {
  hex: string
  note: string
}

function lines(hex: string): Piece[] {
  const bytes = Buffer.from(hex, 'hex')
  const pieces: Piece[] = []
  for (let pos = 0; pos < bytes.byteLength; ) {
    const end = pos + 1 + (bytes[pos] as number)
    const text = bytes.toString('latin1', pos + 1, end).trimEnd()
    pieces.push({ hex: bytes.toString('hex', pos, end), note: `line "${text}\\n"` })
    pos = end
  }
  return pieces
}

function muxFrames(hex: string): Piece[] {
  const bytes = Buffer.from(hex, 'hex')
  const pieces: Piece[] = []
  for (let pos = 0; pos < bytes.byteLength; ) {
    const { type, flags, streamId, length } = decodeMuxHeader(bytes.subarray(pos))
    const [typeName] = Object.entries(MUX_TYPE).find(([, n]) => n === type) ?? ['?']
    const flagNames = Object.entries(MUX_FLAG)
      .filter(([, bit]) => (flags & bit) !== 0)
      .map(([name]) => ` ${name}`)
    pieces.push({
      hex: bytes.toString('hex', pos, pos + 12),
      note: `${typeName}${flagNames.join('')}, stream ${streamId}, length ${length}`
    })
    pos += 12
    if (type === MUX_TYPE.DATA) {
      const payload = bytes.subarray(pos, pos + length)
      const text = payload.toString('latin1')
      const note = /^[a-z]+$/.test(text) ? `"${text}"` : 'StreamHeader { conn_id: 2 }, 2 bytes long'
      pieces.push({ hex: payload.toString('hex'), note })
      pos += length
    }
  }
  return pieces
}

function pieces({ link, hex }: ExampleStep): Piece[] {
  if (hex.startsWith('132f')) return lines(hex)
  if (link === 'data') return muxFrames(hex)
  const [frame] = new FrameDecoder().push(Buffer.from(hex, 'hex'))
  if (frame == null) throw new Error(`no frame: ${hex}`)
  return [{ hex, note: JSON.stringify(frameToJson(frame)) }]
}

/** The block between the markers, markers not included. */
export async function exampleText(): Promise<string> {
  const out: string[] = []
  for (const [i, step] of (await exampleSession()).entries()) {
    const arrow = step.from === 'client' ? 'client to service' : 'service to client'
    out.push(`**${i + 1}. ${step.link}, ${arrow}:** ${step.what}`, '', '```')
    for (const { hex, note } of pieces(step)) {
      out.push(`; ${note}`)
      for (let pos = 0; pos < hex.length; pos += BYTES_PER_LINE * 2) {
        out.push((hex.slice(pos, pos + BYTES_PER_LINE * 2).match(/../g) ?? []).join(' '))
      }
    }
    out.push('```', '')
  }
  return out.join('\n')
}

/** The bytes of the block, a step each: what a reader of the document would type in. */
export function exampleBytes(spec: string): string[] {
  const block = spec.slice(spec.indexOf(BEGIN), spec.indexOf(END))
  return [...block.matchAll(/```\n([\s\S]*?)```/g)].map(([, text = '']) =>
    text.replace(/^;.*$/gm, '').replace(/\s/g, '')
  )
}

export function withExample(spec: string, example: string): string {
  const begin = spec.indexOf(BEGIN)
  const end = spec.indexOf(END)
  if (begin < 0 || end < begin) throw new Error('xtp-ctl.md has no place for the example')
  return `${spec.slice(0, begin + BEGIN.length)}\n${example}\n${spec.slice(end)}`
}
