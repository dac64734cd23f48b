// A duplex byte pipe in memory, in random pieces, with our end and a stock libp2p end.
import type { MultiaddrConnection } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { AbstractMultiaddrConnection } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import type { MuxSink } from 'xtp/ctl'

const HIGH_WATER_BYTES = 65_536
const BYTES_PER_TURN = 262_144

interface Bytes extends Iterable<Uint8Array> {
  byteLength: number
}

/** One direction. */
class Pipe implements MuxSink {
  writableLength = 0
  onbytes: (bytes: Uint8Array) => void = () => {}
  ondrain: () => void = () => {}
  onclose: () => void = () => {}
  #chunks: Uint8Array[] = []
  #scheduled = false
  #full = false
  #paused = false
  #closed = false
  #seed = 1

  write(bytes: Uint8Array): void {
    if (this.#closed) return
    this.#chunks.push(bytes)
    this.writableLength += bytes.byteLength
    this.#full ||= this.writableLength >= HIGH_WATER_BYTES
    this.#schedule()
  }

  // Deferred delivery does what a cork would do.
  cork(): void {}
  uncork(): void {}

  setPaused(paused: boolean): void {
    this.#paused = paused
    this.#schedule()
  }

  /** Delivers what is left, then ends. */
  close(): void {
    this.#closed = true
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    let left = BYTES_PER_TURN
    while (left > 0 && !this.#paused) {
      const chunk = this.#chunks[0]
      if (chunk == null) break
      this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0
      const small = this.#seed % 7 === 0
      const count = Math.min(
        chunk.byteLength,
        left,
        1 + ((this.#seed >>> 8) % (small ? 20 : 80_000))
      )
      if (count === chunk.byteLength) this.#chunks.shift()
      else this.#chunks[0] = chunk.subarray(count)
      this.writableLength -= count
      left -= count
      // A copy, as a socket would make it.
      this.onbytes(Uint8Array.from(chunk.subarray(0, count)))
    }
    if (this.#full && this.writableLength === 0) {
      this.#full = false
      this.ondrain()
    }
    if (this.#chunks.length > 0 && !this.#paused) this.#schedule()
    else if (this.#closed && this.#chunks.length === 0) this.onclose()
  }
}

class StockConnection extends AbstractMultiaddrConnection {
  #out: Pipe
  #in: Pipe

  constructor(out: Pipe, inbound: Pipe, direction: 'inbound' | 'outbound') {
    super({
      direction,
      remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1'),
      log: defaultLogger().forComponent('xtp:conformance')
    })
    this.#out = out
    this.#in = inbound
    inbound.onbytes = bytes => this.onData(bytes)
    inbound.onclose = () => this.onTransportClosed()
    out.ondrain = () => this.safeDispatchEvent('drain')
  }

  sendData(data: Bytes): { sentBytes: number; canSendMore: boolean } {
    for (const part of data) this.#out.write(part)
    return {
      sentBytes: data.byteLength,
      canSendMore: this.#out.writableLength < HIGH_WATER_BYTES
    }
  }

  sendReset(): void {
    this.#out.close()
  }

  async sendClose(): Promise<void> {
    this.#out.close()
  }

  sendPause(): void {
    this.#in.setPaused(true)
  }

  sendResume(): void {
    this.#in.setPaused(false)
  }
}

export interface MemoryLink {
  /** Where we write. */
  sink: MuxSink
  /** Set these before anything arrives. */
  onBytes(fn: (bytes: Uint8Array) => void): void
  onDrain(fn: () => void): void
  onClose(fn: () => void): void
  close(): void
  /** The other end, as libp2p knows it. */
  stock: MultiaddrConnection
}

/** @param stockIs - the direction of the connection at the stock end; `outbound` makes it the client */
export function memoryLink(stockIs: 'inbound' | 'outbound'): MemoryLink {
  const toStock = new Pipe()
  const toUs = new Pipe()
  return {
    sink: toStock,
    onBytes: fn => {
      toUs.onbytes = fn
    },
    onDrain: fn => {
      toStock.ondrain = fn
    },
    onClose: fn => {
      toUs.onclose = fn
    },
    close: () => toStock.close(),
    stock: new StockConnection(toUs, toStock, stockIs)
  }
}
