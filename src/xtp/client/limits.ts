// What a service and its connections may use.
import { InvalidArgumentError } from '../ctl/index.ts'

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
  /** Streams of one connection, for transports that multiplex themselves. Default 10,000. */
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
  streams: 10_000,
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
