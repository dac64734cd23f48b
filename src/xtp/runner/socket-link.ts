// A ByteLink over a node:net socket.
import type { Socket } from 'node:net'
import type { ByteLink, LinkHandler } from './runner.ts'
import { BulkSink, youngGarbage } from './young-garbage.ts'

export class SocketLink implements ByteLink {
  readonly socket: Socket
  readonly sink: BulkSink
  /** Resolves when the socket is closed, after `onEnd`. */
  readonly ended: Promise<void>
  #error?: Error

  constructor(socket: Socket) {
    this.socket = socket
    this.sink = new BulkSink(socket)
    // without a listener an EPIPE of a dying child would be an uncaught error of the application
    socket.on('error', error => {
      this.#error = error
    })
    this.ended = new Promise(resolve => {
      socket.once('close', () => resolve())
    })
  }

  attach(handler: LinkHandler): void {
    const { socket } = this
    socket.once('close', () => handler.onEnd(this.#error))
    socket.on('drain', () => handler.onDrain())
    // half a link is of no use: what the service says after its end, or cannot read, is nothing
    socket.once('end', () => socket.destroy())
    socket.on('data', bytes => {
      youngGarbage.count(bytes.length)
      handler.onData(bytes)
    })
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
}
