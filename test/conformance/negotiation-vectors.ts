// What is in spec/vectors/negotiation.json: lines by hand, answers from the code.
import { Negotiation, NegotiationError } from 'xtp/ctl'
import { toHex } from './vector-json.ts'

export interface NegotiationVector {
  name: string
  role: 'initiator' | 'responder'
  protocols: string[]
  /** What the initiator sends first. */
  start: string
  /** One after the other: what comes, what is sent for it, and how it ends. */
  steps: Array<{ receive: string; send?: string; protocol?: string; rest?: string; error?: true }>
}

const line = (text: string): string => {
  const bytes = Buffer.from(`${text}\n`)
  return toHex(Buffer.concat([Buffer.of(bytes.byteLength), bytes]))
}
const HEADER = line('/multistream/1.0.0')
const XTP = '/xtp-ctl/1.0.0'

const NEGOTIATIONS: Array<
  Pick<NegotiationVector, 'name' | 'role' | 'protocols'> & { receive: string[] }
> = [
  { name: 'initiator, agreed', role: 'initiator', protocols: [XTP], receive: [HEADER, line(XTP)] },
  {
    name: 'initiator, bytes behind',
    role: 'initiator',
    protocols: [XTP],
    receive: [`${HEADER}${line(XTP)}0102`]
  },
  { name: 'initiator, na', role: 'initiator', protocols: [XTP], receive: [HEADER + line('na')] },
  {
    name: 'initiator, second proposal',
    role: 'initiator',
    protocols: ['/xtp-ctl/2.0.0', XTP],
    receive: [HEADER, line('na'), line(XTP)]
  },
  {
    name: 'initiator, another header',
    role: 'initiator',
    protocols: [XTP],
    receive: [line('/multistream/2.0.0')]
  },
  {
    name: 'initiator, an answer to no proposal',
    role: 'initiator',
    protocols: [XTP],
    receive: [HEADER + line('/x')]
  },
  {
    name: 'responder, agreed at once',
    role: 'responder',
    protocols: [XTP],
    receive: [HEADER + line(XTP)]
  },
  {
    name: 'responder, line by line',
    role: 'responder',
    protocols: [XTP],
    receive: [HEADER, line(XTP)]
  },
  {
    name: 'responder, split in a line, bytes behind',
    role: 'responder',
    protocols: ['/yamux/1.0.0'],
    receive: [HEADER.slice(0, 14), `${HEADER.slice(14)}${line('/yamux/1.0.0')}00010001`]
  },
  {
    name: 'responder, na',
    role: 'responder',
    protocols: [XTP],
    receive: [HEADER + line('/xtp-ctl/2.0.0')]
  },
  {
    name: 'responder, ls is a protocol like any other',
    role: 'responder',
    protocols: [XTP],
    receive: [HEADER + line('ls')]
  },
  { name: 'responder, no header', role: 'responder', protocols: [XTP], receive: [line(XTP)] },
  { name: 'responder, no newline', role: 'responder', protocols: [XTP], receive: ['0161'] },
  { name: 'responder, line of length 0', role: 'responder', protocols: [XTP], receive: ['00'] },
  { name: 'responder, line of 1025 bytes', role: 'responder', protocols: [XTP], receive: ['8108'] },
  {
    name: 'responder, length of three bytes',
    role: 'responder',
    protocols: [XTP],
    receive: ['808001']
  }
]

export function negotiationVectors(): NegotiationVector[] {
  return NEGOTIATIONS.map(({ name, role, protocols, receive }) => {
    const negotiation = new Negotiation({ role, protocols })
    const start = toHex(negotiation.start())
    const steps = receive.map(hex => {
      const step: NegotiationVector['steps'][number] = { receive: hex }
      try {
        const { send, done } = negotiation.push(Buffer.from(hex, 'hex'))
        if (send != null) step.send = toHex(send)
        if (done != null) {
          step.protocol = done.protocol
          step.rest = toHex(done.rest)
        }
      } catch (err) {
        if (!(err instanceof NegotiationError)) throw err
        if (err.send != null) step.send = toHex(err.send)
        step.error = true
      }
      return step
    })
    return { name, role, protocols, start, steps }
  })
}
