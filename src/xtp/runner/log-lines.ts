// Splits the output of a service into lines, with bounds: the service may be hostile.

/** Longer lines are cut; the rest up to the next line end is dropped. */
export const MAX_LINE_BYTES = 4096

// C0 and C1 controls: an escape sequence in a log line could drive the reader's terminal
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to go
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** Text of a service without what could drive a terminal. */
export function cleanText(text: string): string {
  return text.replace(CONTROLS, '\ufffd')
}

export class LogLines {
  readonly #onLine: (line: string) => void
  #held: Uint8Array[] = []
  #heldBytes = 0
  #skipping = false

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(chunk: Uint8Array): void {
    let start = 0
    while (start < chunk.byteLength) {
      const end = chunk.indexOf(0x0a, start)
      this.#take(chunk.subarray(start, end === -1 ? undefined : end))
      if (end === -1) {
        return
      }
      this.flush()
      this.#skipping = false
      start = end + 1
    }
  }

  /** Gives out an unfinished last line. */
  flush(): void {
    if (this.#heldBytes > 0) {
      const text = Buffer.concat(this.#held).toString('utf8').replace(/\r$/, '')
      this.#held = []
      this.#heldBytes = 0
      this.#onLine(cleanText(text))
    }
  }

  #take(part: Uint8Array): void {
    if (this.#skipping || part.byteLength === 0) {
      return
    }
    const room = MAX_LINE_BYTES - this.#heldBytes
    // copied: a slice would keep the whole chunk alive
    this.#held.push(part.slice(0, room))
    this.#heldBytes += Math.min(room, part.byteLength)
    if (part.byteLength >= room) {
      this.flush()
      this.#skipping = true
    }
  }
}
