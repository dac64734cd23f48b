// What a service and its connections may use.
import { InvalidArgumentError, MAX_STREAMS_PER_CONNECTION } from '../ctl/index.ts'

/** Options. 0 means no limit. */
export interface LimitsInit {
  /**
   * Resident memory of the service. Default 1 GiB. Watched from outside every half second; at level
   * L4 the kernel enforces it, too.
   */
  memoryBytes?: number
  /** Processors that the service may use on average of ten seconds, such as 0.5. Default 0. */
  cpu?: number
  /** Descriptors of the service. Default 1024; enforced by the kernel in a sandbox. */
  openFiles?: number
  /** Threads of the service. Default 64. */
  processes?: number
  /** Open connections, inbound and outbound; further ones are refused. Default 10,000. */
  connections?: number
  /**
   * Open streams of one connection, each way, of a transport that multiplexes itself (QUIC). A peer is not given
   * credit for more, nor for more than the transport's own `settings` say; what it opens all the same is reset with
   * RESOURCE_EXHAUSTED (7). `newStream` beyond it rejects with `ResourceExhaustedError`. Default 4096; 0 lifts it
   * for outbound streams, and leaves 4096 to inbound ones. Other transports (uTP) have no streams at this layer:
   * those of libp2p's muxer have the limits of that muxer.
   */
  streams?: number
  /** To and from the service, each way: what is above waits. Default 0. */
  bytesPerSecond?: number
}

export type Limits = Required<LimitsInit>

/** Of those that the service itself can exceed. */
export type WatchedLimit = 'memoryBytes' | 'cpu' | 'processes'

export const DEFAULT_LIMITS: Limits = {
  memoryBytes: 2 ** 30,
  cpu: 0,
  openFiles: 1024,
  processes: 64,
  connections: 10_000,
  streams: MAX_STREAMS_PER_CONNECTION,
  bytesPerSecond: 0
}

/** A smaller one is not enough to start in. */
const LEAST: Partial<Limits> = {
  memoryBytes: 96 * 2 ** 20,
  openFiles: 64,
  processes: 16,
  bytesPerSecond: 1024
}

/** @throws InvalidArgumentError that names the limit */
export function limitsConfig(init: LimitsInit = {}): Limits {
  const limits = { ...DEFAULT_LIMITS }
  for (const [key, value] of Object.entries(init)) {
    const name = key as keyof Limits
    if (!(name in DEFAULT_LIMITS)) {
      throw new InvalidArgumentError(`limits.${key} is no limit`)
    }
    if (value === undefined) {
      continue
    }
    const least = LEAST[name] ?? 0
    const whole = name === 'cpu' || Number.isSafeInteger(value)
    if (typeof value !== 'number' || !whole || !(value === 0 || value >= least) || value < 0) {
      throw new InvalidArgumentError(
        `limits.${key} must be a number from ${least}, or 0 for none, not ${value}`
      )
    }
    limits[name] = value
  }
  return limits
}
