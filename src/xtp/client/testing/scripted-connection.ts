// A connection that does what the test says.
import { defaultLogger } from '@libp2p/logger'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import { concat } from '../../ctl/testing/bytes.ts'

/** The next turn of the event loop: every microtask has run. */
export const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Keeps what is sent until it is taken. */
export class ScriptedConnection extends AbstractMessageStream {
  readonly #capacityBytes: number
  #parts: Uint8Array[] = []
  /** Sent and not taken. */
  pendingBytes = 0
  aborted?: Error

  /** @param capacityBytes - so many that are not taken, and it wants a drain */
  constructor(direction: 'inbound' | 'outbound', capacityBytes = Number.POSITIVE_INFINITY) {
    super({ direction, log: defaultLogger().forComponent('scripted') })
    this.#capacityBytes = capacityBytes
  }

  sendData(data: Uint8ArrayList): SendResult {
    const sentBytes = data.byteLength
    this.#parts.push(...data)
    this.pendingBytes += sentBytes
    return { sentBytes, canSendMore: this.pendingBytes < this.#capacityBytes }
  }

  sendReset(error: Error): void {
    this.aborted = error
  }

  sendPause(): void {}
  sendResume(): void {}

  async close(): Promise<void> {
    this.onTransportClosed()
  }

  take(): Uint8Array {
    const bytes = concat(this.#parts)
    this.#parts = []
    this.pendingBytes = 0
    return bytes
  }

  /** There is room again. */
  drain(): void {
    if (this.writableNeedsDrain) {
      this.safeDispatchEvent('drain')
    }
  }
}
