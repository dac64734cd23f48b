// A progress bar on a terminal, a line per tenth elsewhere.
const WIDTH = 32

export class Progress {
  readonly #label: string
  readonly #total: number
  readonly #start = performance.now()
  #shownAt = 0
  #tenth = 0

  constructor(label: string, total: number) {
    this.#label = label
    this.#total = total
  }

  update(done: number): void {
    const now = performance.now()
    const tenth = Math.floor((done / this.#total) * 10)
    if (
      process.stdout.isTTY ? now - this.#shownAt > 50 || done === this.#total : tenth > this.#tenth
    ) {
      this.#shownAt = now
      this.#tenth = tenth
      this.#show(done, now)
    }
  }

  /** Ends the line; returns MB/s since the start. */
  end(): number {
    if (process.stdout.isTTY) {
      process.stdout.write('\n')
    }
    return this.#total / (performance.now() - this.#start) / 1000
  }

  #show(done: number, now: number): void {
    const full = Math.round((done / this.#total) * WIDTH)
    const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full)
    const rate = done / (now - this.#start) / 1000
    const percent = Math.floor((done / this.#total) * 100)
    const line = `  ${this.#label.padEnd(9)} ${bar} ${String(percent).padStart(3)} %  ${rate.toFixed(0).padStart(4)} MB/s`
    process.stdout.write(process.stdout.isTTY ? `\r${line}` : `${line}\n`)
  }
}
