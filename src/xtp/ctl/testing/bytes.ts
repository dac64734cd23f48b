// Byte strings for tests.

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.byteLength
  }
  return out
}

/** Cuts `bytes` into pieces of the given lengths, and one more with the rest. */
export function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let at = 0
  for (const length of lengths) {
    chunks.push(bytes.subarray(at, at + length))
    at = Math.min(at + length, bytes.byteLength)
  }
  chunks.push(bytes.subarray(at))
  return chunks
}

export function toHex(bytes: Uint8Array): string {
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
}

/** Spaces and line breaks are for people. */
export function fromHex(hex: string): Uint8Array {
  const digits = hex.replace(/\s/g, '')
  const out = new Uint8Array(digits.length / 2)
  for (let i = 0; i < out.byteLength; i++) {
    out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  }
  return out
}

/** A repeatable source of numbers: the same seed gives the same run. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** 0 to `end` - 1. */
  below(end: number): number {
    return this.uint32() % end
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() & 0xff)
  }
}
