// What one contestant reached on one network, in every round.
import { median } from '../harness.ts'
import type { LinkCounters } from './emulator.ts'
import type { Direction, FlowResult } from './measure.ts'

export class Result {
  readonly network: string
  readonly contestant: string
  readonly title: string
  readonly #mbPerSecond: Record<Direction, number[]> = { up: [], down: [] }
  readonly #cpu: number[] = []
  readonly #errors = new Set<string>()
  readonly #notes = new Set<string>()

  constructor(network: string, contestant: string, title: string) {
    this.network = network
    this.contestant = contestant
    this.title = title
  }

  add(direction: Direction, flow: FlowResult, path: LinkCounters | undefined): void {
    this.#mbPerSecond[direction].push(flow.mbPerSecond)
    if (flow.error === undefined) {
      this.#cpu.push(flow.cpuSecondsPerGb)
    } else {
      this.#errors.add(`${direction}: ${flow.error}`)
    }
    if (path !== undefined) {
      const { packets, lost, dropped, maxQueueBytes } = path
      this.#notes.add(
        `${direction}: ${packets} packets, ${lost} lost, ${dropped} dropped, queue at most ${maxQueueBytes} bytes`
      )
    }
  }

  note(text: string): void {
    this.#notes.add(text)
  }

  /** MB/s, the median of all rounds; 0 for those that failed. */
  rate(direction: Direction): number {
    return median(this.#mbPerSecond[direction])
  }

  get errors(): string {
    return [...this.#errors].join('; ')
  }

  /** `up / down`, for a table. */
  toString(): string {
    const text = (rate: number) => rate.toFixed(rate < 10 ? 2 : 0)
    return `${text(this.rate('up'))} / ${text(this.rate('down'))}`
  }

  toJSON() {
    const { network, contestant, title } = this
    return {
      network,
      contestant,
      title,
      upMBps: this.#mbPerSecond.up,
      downMBps: this.#mbPerSecond.down,
      cpuSecondsPerGb: this.#cpu.length > 0 ? median(this.#cpu) : null,
      notes: [...this.#errors, ...this.#notes].join('; ')
    }
  }
}
