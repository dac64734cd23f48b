// A peer of another libp2p as a process of its own: commands go in and answers and events come out as one JSON
// object a line. test/interop/go-libp2p and test/interop/rust-libp2p are the programs.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/** An end that takes longer than this is none. */
const END_MS = 10_000

/** One stream of `TRANSFER`: both directions at once, each ended by its sender. */
export interface Transfer {
  sendSeed?: number
  send?: number
  receiveSeed?: number
  receive?: number
  /** Reads nothing before `resume`. */
  paused?: boolean
}

/** What each command answers. */
interface Answers {
  /** Connects to `address`. */
  dial: { peer: string }
  /** What identify has told about `peer`; fails before. */
  identify: { agent: string; protocols: string[] }
  ping: { ms: number }
  /** Connections to `peer`. */
  connections: { count: number }
  /** Says what the next inbound stream of the transfer protocol does. */
  serve: object
  /** Opens such a stream. */
  transfer: object
  /** Of the latest transfer, as are the two below. */
  progress: { sent: number; received: number }
  resume: object
  /** Waits for its end; fails where a byte was wrong or the end came early. */
  finish: object
  /** Has `bytes` echoed on each of `streams` streams at once. */
  echo: object
  /** Opens a stream, waits until it is accepted, and resets it with `code`. */
  reset: object
  /** Opens a stream and has it reset with `code`; answers what came. */
  askForReset: { code: number }
  /** Ends every connection to `peer` with `code`. */
  close: object
}

export interface PeerEvent {
  event: 'connected' | 'disconnected' | 'reset'
  peer?: string
  /** Of a reset by the opener of a stream. */
  code?: number
  error?: string
}

type Line = { id?: number; error?: string; address?: string } & Partial<PeerEvent>

export class ForeignPeer {
  readonly address: Multiaddr
  readonly peerId: PeerId
  /** Not taken by `event` yet. */
  readonly events: PeerEvent[] = []
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #waiting = new Map<number, PromiseWithResolvers<Line>>()
  readonly #listeners = new Set<() => void>()
  #commands = 0

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>, address: string) {
    this.#child = child
    this.address = multiaddr(address)
    this.peerId = peerIdFromString(address.slice(address.lastIndexOf('/') + 1))
  }

  /** @throws Error where it ends before it says its address */
  static async start(program: string, args: string[] = []): Promise<ForeignPeer> {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout })
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`${program} ended with ${signal ?? `exit code ${code}`}`)
    })
    ended.catch(() => {})
    const [first] = await Promise.race([once(lines, 'line'), ended])
    const peer = new ForeignPeer(child, (JSON.parse(first) as Line).address ?? '')
    lines.on('line', line => peer.#onLine(JSON.parse(line)))
    ended.catch(error => {
      for (const { reject } of peer.#waiting.values()) {
        reject(error)
      }
    })
    return peer
  }

  /** @throws Error of the peer */
  async ask<Name extends keyof Answers>(
    name: Name,
    options: Transfer & Record<string, unknown> = {}
  ): Promise<Answers[Name]> {
    const id = ++this.#commands
    const waiting = Promise.withResolvers<Line>()
    this.#waiting.set(id, waiting)
    this.#child.stdin.write(`${JSON.stringify({ ...options, id, do: name })}\n`)
    try {
      const answer = await waiting.promise
      if (answer.error !== undefined) {
        throw new Error(`${name}: ${answer.error}`)
      }
      return answer as Answers[Name]
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** Takes the next event of the kind, which may have come before. */
  async event(kind: PeerEvent['event']): Promise<PeerEvent> {
    for (;;) {
      const at = this.events.findIndex(({ event }) => event === kind)
      const [found] = at === -1 ? [] : this.events.splice(at, 1)
      if (found !== undefined) {
        return found
      }
      await new Promise<void>(resolve => this.#listeners.add(resolve))
    }
  }

  /** Ends its input, which ends it. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      return
    }
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS)
    await ended
    clearTimeout(timer)
  }

  #onLine(line: Line): void {
    if (line.id !== undefined) {
      this.#waiting.get(line.id)?.resolve(line)
    } else if (line.event !== undefined) {
      this.events.push(line as PeerEvent)
      for (const listener of this.#listeners) {
        listener()
      }
      this.#listeners.clear()
    }
  }
}
