// Reads DER (X.690), strictly: what is not the one encoding of its value is refused. It reads input of
// hostile peers, so it copies nothing, allocates nothing by what a length says, and does not recurse.

/** The bytes are no DER, or not of the shape that was asked for. */
export class DerError extends Error {
  override name = 'DerError'
}

export const DER = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30
} as const

export interface DerElement {
  tag: number
  content: Uint8Array
  /** With tag and length. */
  whole: Uint8Array
}

/** Reads the elements of `bytes` one after the other. */
export class DerReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.byteLength
  }

  /** Tag of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** The next element, which has this tag. */
  read(tag: number): DerElement {
    const start = this.#at
    if (this.#byte() !== tag) {
      throw new DerError(`tag ${this.#bytes[start]} where ${tag} belongs`)
    }
    const length = this.#length()
    const begin = this.#at
    if (length > this.#bytes.byteLength - begin) {
      throw new DerError('an element is cut off')
    }
    this.#at = begin + length
    return {
      tag,
      content: this.#bytes.subarray(begin, this.#at),
      whole: this.#bytes.subarray(start, this.#at)
    }
  }

  /** The elements inside the next one, which has this tag. */
  enter(tag: number): DerReader {
    return new DerReader(this.read(tag).content)
  }

  /** Throws where something is left. */
  end(): void {
    if (!this.isAtEnd) {
      throw new DerError(`${this.#bytes.byteLength - this.#at} bytes behind the end`)
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) {
      throw new DerError('it is cut off')
    }
    return byte
  }

  #length(): number {
    const first = this.#byte()
    if (first < 0x80) {
      return first
    }
    const count = first & 0x7f
    // 0x80 is the indefinite length of BER; three bytes are more than anything here can have
    if (count === 0 || count > 3) {
      throw new DerError(`a length of the form ${first}`)
    }
    let length = 0
    for (let i = 0; i < count; i++) {
      length = length * 256 + this.#byte()
    }
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) {
      throw new DerError('a length is not in its shortest form')
    }
    return length
  }
}

/** The bytes of a BIT STRING of whole bytes. */
export function bitStringBytes({ content }: DerElement): Uint8Array {
  if (content[0] !== 0) {
    throw new DerError('a bit string that is not of whole bytes')
  }
  return content.subarray(1)
}

/** Magnitude of a positive INTEGER, without its leading zero. */
export function positiveInteger({ content }: DerElement): Uint8Array {
  const [first = 0x80, second = 0] = content
  const needless = first === 0 && content.byteLength > 1 && second < 0x80
  if (first >= 0x80 || needless) {
    throw new DerError('no positive integer in its shortest form')
  }
  return first === 0 ? content.subarray(1) : content
}

/** Milliseconds since 1970 of a UTCTime or GeneralizedTime in the form that RFC 5280 prescribes. */
export function timeMs({ tag, content }: DerElement): number {
  const text = String.fromCharCode(...content.subarray(0, 16))
  const full = tag === DER.UTC_TIME ? `${text < '5' ? '20' : '19'}${text}` : text
  const digits = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full)
  if (digits === null || content.byteLength !== (tag === DER.UTC_TIME ? 13 : 15)) {
    throw new DerError('a time in another form')
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = digits
    .slice(1)
    .map(Number)
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  if (!isReal || hour > 23 || minute > 59 || second > 59) {
    throw new DerError(`there is no time ${full}`)
  }
  return date.getTime()
}
