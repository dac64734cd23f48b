// The line protocol of xtp-jail (spec/xtp-jail.md, section Lines), without I/O. The jail is ours and
// parses nothing hostile, but what it says is checked all the same: a line that is none of the list is
// a violation, after which nothing of it is believed.
import { constants } from 'node:os'
import { ProtocolViolationError } from '../ctl/index.ts'
import type { SandboxLevel, SocketAddress } from './runner.ts'

export const JAIL_PROTOCOL_VERSION = 3

/** With its line feed. */
export const MAX_JAIL_LINE_BYTES = 512

/** A step of stage 1 that failed, and how. */
export interface JailFailure {
  step: string
  /** POSIX name, or `E` and a number. */
  errno: string
}

export type JailEvent =
  | { kind: 'hello'; pid: number; socketName: string; landlockAbi: number; uid: number }
  | { kind: 'bound'; id: string; port: number; receiveBytes: number; sendBytes: number }
  | { kind: 'closed'; id: string }
  | { kind: 'error'; command: string; id?: string; number?: number; errno: string }
  | { kind: 'started'; number: number; pid: number }
  | ({ kind: 'failed'; number: number } & JailFailure)
  | {
      kind: 'exit'
      number: number
      how: 'code' | 'signal'
      value: number
      maxRssKb: number
      cpuMs: number
    }
  | { kind: 'given'; number: number; id: string }
  | { kind: 'probed'; level: SandboxLevel; failure?: JailFailure }
  | { kind: 'refused'; reason: string }
  | ({ kind: 'fatal' } & JailFailure)

const MAX_NUMBER = 0xffffffff
const MAX_COUNT = Number.MAX_SAFE_INTEGER
/** Of a socket, as all ids: a word that is safe on a line. */
const ID = /^[a-z0-9-]{1,23}$/
const STEP = /^[a-z0-9_]{1,40}$/
const LEVEL = /^L[0234]$/
/** Of an abstract socket that the kernel named. */
const SOCKET_NAME = /^[0-9a-f]{1,16}$/
const NUMBER = /^(0|[1-9][0-9]{0,15})$/
const WORD = /^[a-z]{1,20}$/
const MAX_ERRNO = 4095

/** Names of errors; of two for one number, the first. */
const ERROR_NAMES = new Map<number, string>()
for (const [name, number] of Object.entries(constants.errno)) {
  if (!ERROR_NAMES.has(number)) {
    ERROR_NAMES.set(number, name)
  }
}

/** The POSIX name of an error's number, or `E` and the number. */
export function errnoName(number: number): string {
  return ERROR_NAMES.get(number) ?? `E${number}`
}

function violation(line: string): never {
  throw new ProtocolViolationError(
    `xtp-jail said "${line}", which is no event: is it of another version?`
  )
}

/** The words of one line, taken one after the other; the wrong one is a violation. */
class Words {
  readonly #line: string
  readonly #words: string[]
  #next = 0

  constructor(line: string) {
    this.#line = line
    this.#words = line.split(' ')
  }

  get left(): number {
    return this.#words.length - this.#next
  }

  word(pattern: RegExp): string {
    const word = this.#words[this.#next++]
    return word !== undefined && pattern.test(word) ? word : this.fail()
  }

  number(min: number, max: number): number {
    const value = Number(this.word(NUMBER))
    return value >= min && value <= max ? value : this.fail()
  }

  /** `name=value` */
  named(name: string): number {
    const word = this.#words[this.#next++] ?? ''
    const value = word.slice(name.length + 1)
    if (!word.startsWith(`${name}=`) || !NUMBER.test(value)) {
      this.fail()
    }
    return Number(value)
  }

  errno(): string {
    return errnoName(this.number(1, MAX_ERRNO))
  }

  failure(): JailFailure {
    return { step: this.word(STEP), errno: this.errno() }
  }

  fail(): never {
    return violation(this.#line)
  }
}

type Parsers = { [K in JailEvent['kind']]: (words: Words) => Extract<JailEvent, { kind: K }> }

const PARSERS: Parsers = {
  hello: words => {
    words.number(JAIL_PROTOCOL_VERSION, JAIL_PROTOCOL_VERSION)
    const pid = words.number(1, MAX_NUMBER)
    const socketName = words.word(SOCKET_NAME)
    return {
      kind: 'hello',
      pid,
      socketName,
      landlockAbi: words.named('landlock'),
      uid: words.named('uid')
    }
  },
  bound: words => ({
    kind: 'bound',
    id: words.word(ID),
    port: words.number(1, 65_535),
    receiveBytes: words.number(0, MAX_NUMBER),
    sendBytes: words.number(0, MAX_NUMBER)
  }),
  closed: words => ({ kind: 'closed', id: words.word(ID) }),
  error: words => {
    const command = words.word(/^(-|[a-z]{1,20})$/)
    const base = { kind: 'error' as const, command }
    if (command === 'give') {
      const number = words.number(1, MAX_NUMBER)
      return { ...base, number, id: words.word(ID), errno: words.errno() }
    }
    return command === '-'
      ? { ...base, errno: words.errno() }
      : { ...base, id: words.word(ID), errno: words.errno() }
  },
  started: words => ({
    kind: 'started',
    number: words.number(1, MAX_NUMBER),
    pid: words.number(1, MAX_NUMBER)
  }),
  failed: words => ({ kind: 'failed', number: words.number(1, MAX_NUMBER), ...words.failure() }),
  exit: words => {
    const number = words.number(1, MAX_NUMBER)
    const how = words.word(/^(code|signal)$/) as 'code' | 'signal'
    const value = how === 'code' ? words.number(0, 255) : words.number(1, 64)
    const maxRssKb = words.number(0, MAX_COUNT)
    return { kind: 'exit', number, how, value, maxRssKb, cpuMs: words.number(0, MAX_COUNT) }
  },
  given: words => ({ kind: 'given', number: words.number(1, MAX_NUMBER), id: words.word(ID) }),
  probed: words => {
    const level = words.word(LEVEL) as SandboxLevel
    if (words.left === 1) {
      words.word(/^ok$/)
      return { kind: 'probed', level }
    }
    return { kind: 'probed', level, failure: words.failure() }
  },
  refused: words => ({ kind: 'refused', reason: words.word(WORD) }),
  fatal: words => ({ kind: 'fatal', ...words.failure() })
}

/**
 * One event, without its line feed.
 *
 * @throws ProtocolViolationError for anything else
 */
export function parseJailEvent(line: string): JailEvent {
  const words = new Words(line)
  const kind = words.word(WORD)
  if (!Object.hasOwn(PARSERS, kind)) {
    return violation(line)
  }
  const event = PARSERS[kind as JailEvent['kind']](words)
  return words.left === 0 ? event : violation(line)
}

/** Cuts the jail's output into lines. */
export class JailLineReader {
  #held = ''

  /**
   * The whole lines that there are now.
   *
   * @throws ProtocolViolationError for a line that is too long or not printable ASCII
   */
  push(chunk: Uint8Array): string[] {
    const lines = (this.#held + Buffer.from(chunk).toString('latin1')).split('\n')
    this.#held = lines.pop() as string
    for (const line of [...lines, this.#held]) {
      if (line.length >= MAX_JAIL_LINE_BYTES || !/^[ -~]*$/.test(line)) {
        const shown = line.slice(0, 80).replace(/[^ -~]/g, '?')
        throw new ProtocolViolationError(`xtp-jail said a line that is none: "${shown}"`)
      }
    }
    return lines
  }
}

export interface BufferSizes {
  /** Bytes; 0: the system's default. */
  receiveBytes: number
  sendBytes: number
}

// What commands are made of comes from this process, but an id or an address with a line feed in it
// would be a second command.
function checked(word: string, pattern: RegExp, what: string): string {
  if (!pattern.test(word)) {
    throw new ProtocolViolationError(`"${word.slice(0, 80)}" is no ${what} for xtp-jail`)
  }
  return word
}

const socketId = (id: string) => checked(id, ID, 'socket id')
const IP = /^[0-9a-fA-F:.]{2,45}(%[!-~]{1,40})?$/

/** The commands, each with its line feed. They throw ProtocolViolationError for words that are none. */
export const jailCommand = {
  bind: (id: string, { family, ip, port }: SocketAddress, sizes: BufferSizes) =>
    `bind ${socketId(id)} udp${family} ${checked(ip, IP, 'IP address')} ${port} ${sizes.receiveBytes} ${sizes.sendBytes}\n`,
  close: (id: string) => `close ${socketId(id)}\n`,
  start: (number: number, level: SandboxLevel) => `start ${number} ${level}\n`,
  give: (number: number, id: string) => `give ${number} ${socketId(id)}\n`,
  kill: (number: number, signal: 'SIGTERM' | 'SIGKILL') =>
    `kill ${number} ${constants.signals[signal]}\n`,
  probe: (level: SandboxLevel) => `probe ${level}\n`
}

/** The 8 bytes with which a link to the jail begins; in one write. */
export function linkTag(kind: 'control' | 'data' | 'log', number: number): Uint8Array {
  const tag = Buffer.from(`XTP${kind[0]}\0\0\0\0`, 'latin1')
  tag.writeUInt32LE(number, 4)
  return tag
}
