// The output of a process as lines: each is passed on, the last ones are kept for an error about it.
import type { Socket } from 'node:net'
import { LogLines } from './log-lines.ts'

/** Lines of output that an error about a process carries. */
const LOG_TAIL_LINES = 20

export class LogTail {
  readonly lines: string[] = []

  add(line: string): void {
    this.lines.push(line)
    if (this.lines.length > LOG_TAIL_LINES) {
      this.lines.shift()
    }
  }

  /** Reads `stream` to its end, at which it resolves. */
  read(stream: Socket, onLine: (line: string) => void): Promise<void> {
    const lines = new LogLines(line => {
      this.add(line)
      onLine(line)
    })
    stream.on('data', chunk => lines.push(chunk))
    stream.on('error', () => {})
    return new Promise(resolve => {
      stream.once('close', () => {
        lines.flush()
        resolve()
      })
    })
  }
}
