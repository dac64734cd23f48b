// A ByteLink over a unix socket of our own making, read into slabs: one system call brings up to
// 256 KiB where a plain socket brings 64, nothing is copied to make it fit, and messages that span two
// reads, which whoever decrypts them must put together, are fewer.
import net, { type Socket } from 'node:net'
import type { ByteLink, LinkHandler } from './runner.ts'

/** A view of a few bytes keeps its slab alive, so it is not larger. */
const SLAB_BYTES = 1 << 20
const READ_BYTES = 1 << 18
/** With less left than a plain read would have, the next slab begins. */
const MIN_READ_BYTES = 1 << 16
/**
 * Made and thrown away with each slab but the first, as much as a slab: 16 arrays of 64 KiB. V8 frees the slabs that nobody has any more
 * in its small collections, which come when young objects fill their part of the heap; whoever only passes buffers
 * on makes hardly any, the slabs pile up as external memory, and V8 starts one full collection after the other
 * instead. So there are young objects. `slab-link.test.ts` counts collections.
 */
const YOUNG_ARRAYS = 16
const YOUNG_LENGTH = 8000

export class SlabLink implements ByteLink {
  /** The socket itself: writes go through nothing of ours. */
  readonly sink: Socket
  /** Resolves when the socket is closed, after `onEnd`. */
  readonly ended: Promise<void>
  #slab: Buffer = Buffer.alloc(0)
  #used = 0
  /** The last one: what nobody could read, a compiler might leave out. */
  young: unknown[] = []
  #onData: (bytes: Uint8Array) => void = () => {}
  #error?: Error

  /**
   * Connects to a unix socket; errors show as the end of the link.
   *
   * @param path - as for `net.connect`; an abstract one begins with NUL
   * @param first - written before everything else
   */
  constructor(path: string, first: Uint8Array) {
    const socket = net.connect({
      path,
      onread: {
        buffer: () => this.#room(),
        callback: (length, bytes) => {
          this.#used += length
          this.#onData(bytes.subarray(0, length))
          return true
        }
      }
    })
    this.sink = socket
    socket.on('error', error => {
      this.#error = error
    })
    this.ended = new Promise(resolve => {
      socket.once('close', () => resolve())
    })
    // nothing is read before there is somebody to take it
    socket.pause()
    socket.write(first)
  }

  attach(handler: LinkHandler): void {
    const socket = this.sink
    this.#onData = bytes => handler.onData(bytes)
    socket.once('close', () => handler.onEnd(this.#error))
    socket.on('drain', () => handler.onDrain())
    // half a link is of no use: what the service says after its end, or cannot read, is nothing
    socket.once('end', () => socket.destroy())
    socket.resume()
    if (socket.destroyed && socket.closed) {
      queueMicrotask(() => handler.onEnd(this.#error))
    }
  }

  pause(): void {
    this.sink.pause()
  }

  resume(): void {
    this.sink.resume()
  }

  destroy(): void {
    this.sink.destroy()
  }

  #room(): Buffer {
    if (this.#slab.length - this.#used < MIN_READ_BYTES) {
      const isNext = this.#slab.length > 0
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#used = 0
      // not with the first: a start has no garbage to spare time for
      for (let i = 0; isNext && i < YOUNG_ARRAYS; i++) {
        this.young = new Array(YOUNG_LENGTH)
      }
    }
    return this.#slab.subarray(this.#used, Math.min(this.#used + READ_BYTES, this.#slab.length))
  }
}
