// A ByteLink over a node:net socket.
import type { Socket } from 'node:net'
import type { ByteLink, LinkHandler } from './runner.ts'

export class SocketLink implements ByteLink {
  /** The socket itself: writes go through nothing of ours. */
  readonly sink: Socket
  /** Resolves when the socket is closed, after `onEnd`. */
  readonly ended: Promise<void>
  #error?: Error

  constructor(socket: Socket) {
    this.sink = socket
    // without a listener an EPIPE of a dying child would be an uncaught error of the application
    socket.on('error', error => {
      this.#error = error
    })
    this.ended = new Promise(resolve => {
      socket.once('close', () => resolve())
    })
  }

  attach(handler: LinkHandler): void {
    const socket = this.sink
    socket.once('close', () => handler.onEnd(this.#error))
    socket.on('drain', () => handler.onDrain())
    // half a link is of no use: what the service says after its end, or cannot read, is nothing
    socket.once('end', () => socket.destroy())
    socket.on('data', bytes => handler.onData(bytes))
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
}
