// A ByteLink over a unix socket of our own making, read into slabs: one system call brings up to
// 256 KiB where a plain socket brings 64, nothing is copied to make it fit, and messages that span two
// reads, which whoever decrypts them must put together, are fewer.
import net, { type Socket } from 'node:net'
import type { ByteLink, LinkHandler } from './runner.ts'
import { BulkSink, youngGarbage } from './young-garbage.ts'

/** A view of a few bytes keeps its slab alive, so it is not larger. */
const SLAB_BYTES = 1 << 20
const READ_BYTES = 1 << 18
/** With less left than a plain read would have, the next slab begins. */
const MIN_READ_BYTES = 1 << 16
export class SlabLink implements ByteLink {
  readonly socket: Socket
  readonly sink: BulkSink
  /** Resolves when the socket is closed, after `onEnd`. */
  readonly ended: Promise<void>
  #slab: Buffer = Buffer.alloc(0)
  #used = 0
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
          youngGarbage.count(length)
          this.#onData(bytes.subarray(0, length))
          return true
        }
      }
    })
    this.socket = socket
    this.sink = new BulkSink(socket)
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
    const { socket } = this
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
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  destroy(): void {
    this.socket.destroy()
  }

  #room(): Buffer {
    if (this.#slab.length - this.#used < MIN_READ_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#used = 0
    }
    return this.#slab.subarray(this.#used, Math.min(this.#used + READ_BYTES, this.#slab.length))
  }
}
