// The files of spec/vectors, as the code gives them.
import { exampleSession } from './example-session.ts'
import { frameVectors } from './frame-vectors.ts'
import { invalidVectors } from './invalid-vectors.ts'
import { muxExchangeVectors, muxFrameVectors, muxInvalidVectors, muxText } from './mux-vectors.ts'
import { negotiationVectors } from './negotiation-vectors.ts'

/** Not from the code: see generate-certificates.ts. */
export const CERTIFICATE_FILES = ['certificates.json', 'certificates-libp2p.json']

export const VECTORS = new URL('../../spec/vectors/', import.meta.url)

/** JSON files as values: how they are laid out is the formatter's business. */
export async function vectorFiles(): Promise<Map<string, unknown>> {
  return new Map<string, unknown>([
    [
      'negotiation.json',
      { about: 'multistream-select, both roles', vectors: negotiationVectors() }
    ],
    [
      'control-frames.json',
      { about: 'control frames as JSON and as bytes', vectors: frameVectors() }
    ],
    [
      'control-invalid.json',
      { about: 'bytes that close a control link', vectors: invalidVectors() }
    ],
    ['mux-frames.json', { about: 'frames of the data link', vectors: muxFrameVectors() }],
    ['mux-exchanges.json', { about: 'what an end makes of frames', vectors: muxExchangeVectors() }],
    ['mux-invalid.json', { about: 'bytes that close a data link', vectors: muxInvalidVectors() }],
    ['mux-frames.txt', muxText()],
    ['session.json', { about: 'the example of xtp-ctl.md', vectors: await exampleSession() }]
  ])
}
