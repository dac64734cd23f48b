// Datagrams at a steady rate to a listener of uTP, and what is answered.
import dgram from 'node:dgram'
import { once } from 'node:events'

/** The time line around a moment. An answer that is later than its end does not come. */
export const TIMELINE = { beforeMs: 50, afterMs: 250, binMs: 5 }
const ANSWER_LIMIT_MS = 20_000

/** A SYN of BEP 29, whose connection id and sequence number are the two halves of `id`. */
function syn(id: number): Buffer {
  const bytes = Buffer.alloc(20)
  bytes[0] = 0x41
  bytes.writeUInt16BE(id >>> 16, 2)
  bytes.writeUInt32BE(1 << 20, 12)
  bytes.writeUInt16BE(id & 0xffff, 16)
  return bytes
}

/** Sends at a steady rate, and knows what was answered. */
export class Load {
  readonly #socket = dgram.createSocket('udp4')
  readonly #sentAt: number[] = []
  readonly #answeredAt: Array<number | undefined> = []
  readonly #begin = performance.now()
  readonly #timer: NodeJS.Timeout
  #onAnswer: (id: number) => void = () => {}
  #onTick: () => void = () => {}

  /** @param rate - datagrams per second */
  constructor(port: number, rate: number) {
    this.#socket.on('message', bytes => {
      const id = ((bytes.readUInt16BE(2) << 16) | bytes.readUInt16BE(18)) >>> 0
      this.#answeredAt[id] = performance.now()
      this.#onAnswer(id)
    })
    // without a socket the port is closed, and ICMP says so
    this.#socket.on('error', () => {})
    this.#timer = setInterval(() => {
      const due = ((performance.now() - this.#begin) * rate) / 1000
      while (this.#sentAt.length < due) {
        const id = this.#sentAt.push(performance.now()) - 1
        this.#socket.send(syn(id), port, '127.0.0.1', () => {})
      }
      this.#onTick()
    }, 1)
  }

  get nextId(): number {
    return this.#sentAt.length
  }

  /** Resolves with the time of the first answer to a datagram from `id` on; `tick` is called meanwhile. */
  async answerFrom(id: number, tick: () => void): Promise<number> {
    this.#onTick = tick
    const answer = new Promise<number>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer within ${ANSWER_LIMIT_MS} ms`)),
        ANSWER_LIMIT_MS
      )
      this.#onAnswer = answered => {
        if (answered >= id) {
          clearTimeout(timer)
          resolve(performance.now())
        }
      }
    })
    try {
      return await answer
    } finally {
      this.#onTick = () => {}
      this.#onAnswer = () => {}
    }
  }

  lostBetween(from: number, to: number): number {
    return this.#sentAt.filter((at, id) => at >= from && at <= to && !this.#answeredAt[id]).length
  }

  /** Answers in each part of the time line. */
  answersAround(at: number): number[] {
    const { beforeMs, afterMs, binMs } = TIMELINE
    const bins = new Array<number>((beforeMs + afterMs) / binMs).fill(0)
    for (const answered of this.#answeredAt) {
      const bin = Math.floor(((answered ?? 0) - at + beforeMs) / binMs)
      if (bins[bin] !== undefined) {
        bins[bin]++
      }
    }
    return bins
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#socket.close()
    await once(this.#socket, 'close')
  }
}
