// multistream-select 1.0.0, either side, without I/O (spec/xtp-ctl.md, section Negotiation).
import { InvalidArgumentError, NegotiationError } from './errors.ts'
import { MAX_NEGOTIATION_LINE_BYTES } from './limits.ts'

const MULTISTREAM = '/multistream/1.0.0'
const NOT_AVAILABLE = 'na'
const NEWLINE = 0x0a
const EMPTY = new Uint8Array(0)

export interface NegotiationInit {
  role: 'initiator' | 'responder'
  /** Initiator: what to propose, best first. Responder: what is accepted. */
  protocols: readonly string[]
}

export interface NegotiationResult {
  /** Bytes to write now. */
  send?: Uint8Array
  /** Negotiated; `rest` are bytes of the protocol that came in the same chunk. */
  done?: { protocol: string; rest: Uint8Array }
}

/**
 * One negotiation. The initiator may send bytes of the protocol right behind `start()` where it
 * proposes one protocol only; it must not take them for received before `done`.
 */
export class Negotiation {
  #initiator: boolean
  #protocols: readonly string[]
  #proposed = 0
  #sawHeader = false
  #over = false
  /** The line under way: its length prefix is in `#length` as soon as `#line` is not null. */
  #line: Uint8Array | null = null
  #filled = 0
  #length = 0
  #prefixBytes = 0

  constructor({ role, protocols }: NegotiationInit) {
    if (protocols.length === 0) throw new InvalidArgumentError('no protocol to negotiate')
    this.#initiator = role === 'initiator'
    this.#protocols = protocols
  }

  /** What to send first: header and first proposal of an initiator, nothing of a responder. */
  start(): Uint8Array {
    if (!this.#initiator) return EMPTY
    return encodeLines([MULTISTREAM, this.#protocols[0] as string])
  }

  /**
   * Takes bytes in.
   *
   * @throws NegotiationError where there is no common protocol or the bytes are not multistream-select.
   * Write its `send`, if any, and close the link. Nothing is taken in afterwards.
   */
  push(chunk: Uint8Array): NegotiationResult {
    if (this.#over) throw new InvalidArgumentError('this negotiation is over')
    const replies: string[] = []
    let pos = 0
    try {
      for (;;) {
        pos = this.#readLine(chunk, pos)
        if (this.#line == null || this.#filled < this.#length) break
        const line = decodeLine(this.#line)
        this.#line = null
        this.#length = 0
        const reply = this.#initiator ? this.#onAnswer(line) : this.#onProposal(line)
        if (reply != null) replies.push(reply)
        if (this.#over) {
          return result(replies, { protocol: line, rest: chunk.subarray(pos) })
        }
      }
    } catch (err) {
      this.#over = true
      if (!(err instanceof NegotiationError) || err.send == null || replies.length === 0) throw err
      throw new NegotiationError(err.message, { send: concat(encodeLines(replies), err.send) })
    }
    return result(replies)
  }

  /** The other side's line, as the initiator; gives the next proposal if one is due. */
  #onAnswer(line: string): string | undefined {
    if (!this.#sawHeader) {
      if (line !== MULTISTREAM) throw garbage(line)
      this.#sawHeader = true
      return undefined
    }
    if (line === this.#protocols[this.#proposed]) {
      this.#over = true
      return undefined
    }
    if (line !== NOT_AVAILABLE) throw garbage(line)
    const next = this.#protocols[++this.#proposed]
    if (next == null) {
      throw new NegotiationError(
        `the other end speaks none of ${this.#protocols.join(', ')}: use matching versions of both`
      )
    }
    return next
  }

  /** The other side's line, as the responder; gives the answer. */
  #onProposal(line: string): string {
    if (!this.#sawHeader) {
      if (line !== MULTISTREAM) throw garbage(line)
      this.#sawHeader = true
      return MULTISTREAM
    }
    if (!this.#protocols.includes(line)) {
      // One proposal per link: bytes behind an optimistic one could not be told from another line.
      throw new NegotiationError(
        `the other end proposes ${JSON.stringify(line)}, this end speaks ${this.#protocols.join(', ')}: use matching versions of both`,
        { send: encodeLines([NOT_AVAILABLE]) }
      )
    }
    this.#over = true
    return line
  }

  /** Fills `#line`; returns how far the chunk has been used. */
  #readLine(chunk: Uint8Array, start: number): number {
    let pos = start
    while (this.#line == null && pos < chunk.byteLength) {
      const byte = chunk[pos++] as number
      this.#length |= (byte & 0x7f) << (7 * this.#prefixBytes++)
      if (byte >= 0x80 && this.#prefixBytes < 2) continue
      if (byte >= 0x80 || this.#length === 0 || this.#length > MAX_NEGOTIATION_LINE_BYTES) {
        throw new NegotiationError(
          `this is no multistream-select: a line has 1 to ${MAX_NEGOTIATION_LINE_BYTES} bytes`
        )
      }
      this.#prefixBytes = 0
      this.#filled = 0
      this.#line = new Uint8Array(this.#length)
    }
    if (this.#line == null) return pos
    const count = Math.min(this.#length - this.#filled, chunk.byteLength - pos)
    this.#line.set(chunk.subarray(pos, pos + count), this.#filled)
    this.#filled += count
    return pos + count
  }
}

function result(replies: string[], done?: NegotiationResult['done']): NegotiationResult {
  const out: NegotiationResult = {}
  if (replies.length > 0) out.send = encodeLines(replies)
  if (done != null) out.done = done
  return out
}

function garbage(line: string): NegotiationError {
  return new NegotiationError(
    `unexpected line in negotiation: ${JSON.stringify(line.slice(0, 80))}`
  )
}

// Protocol names are ASCII; anything else cannot match and shows as escapes in the error.
function decodeLine(bytes: Uint8Array): string {
  const last = bytes.byteLength - 1
  if (bytes[last] !== NEWLINE) throw new NegotiationError('a line of negotiation has no newline')
  let line = ''
  for (let i = 0; i < last; i++) line += String.fromCharCode(bytes[i] as number)
  return line
}

function encodeLines(lines: string[]): Uint8Array {
  const bytes: number[] = []
  for (const line of lines) {
    const length = line.length + 1
    if (length > MAX_NEGOTIATION_LINE_BYTES || /[^\x20-\x7e]/.test(line)) {
      throw new InvalidArgumentError(`not a protocol name: ${JSON.stringify(line)}`)
    }
    if (length < 0x80) bytes.push(length)
    else bytes.push((length & 0x7f) | 0x80, length >>> 7)
    for (let i = 0; i < line.length; i++) bytes.push(line.charCodeAt(i))
    bytes.push(NEWLINE)
  }
  return Uint8Array.from(bytes)
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.byteLength + b.byteLength)
  out.set(a)
  out.set(b, a.byteLength)
  return out
}
