// Round trips of one byte.
import type { Duplex } from '../contestants/types.ts'
import { percentile } from '../harness.ts'
import { header } from './wire.ts'

/** The server has read the header when the first one is back. */
export function echoer(duplex: Duplex): () => Promise<void> {
  let back: () => void = () => {}
  let failed: (error: Error) => void = () => {}
  duplex.onData = () => back()
  duplex.onEnd = error => failed(error ?? new Error('the stream ended'))
  duplex.write(header('E', 0, 0))
  return () =>
    new Promise((resolve, reject) => {
      back = resolve
      failed = reject
      duplex.write(Uint8Array.of(1))
    })
}

export interface Latency {
  p50us: number
  p99us: number
  p999us: number
  /** At the shares of `QUANTILES`, in µs. */
  quantiles: number[]
}

/** For the plot of the distribution. */
export const QUANTILES = [...Array.from({ length: 50 }, (_, i) => i / 50), 0.99, 0.995, 0.999]

/** Trips one after the other, at most `count` and for at most `limitMs`. */
export async function latency(
  trip: () => Promise<void>,
  count: number,
  limitMs: number
): Promise<Latency> {
  const times: number[] = []
  const end = performance.now() + limitMs
  while (times.length < count && performance.now() < end) {
    const begin = performance.now()
    await trip()
    times.push((performance.now() - begin) * 1000)
  }
  return {
    p50us: percentile(times, 0.5),
    p99us: percentile(times, 0.99),
    p999us: percentile(times, 0.999),
    quantiles: QUANTILES.map(share => percentile(times, share))
  }
}
