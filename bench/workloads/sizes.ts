// One stream, writes of several sizes.
import { KIB, MIB, rate, Transfer } from './transfer.ts'
import type { Context, Metrics } from './types.ts'
import { sizeFor, warmUp } from './warm-up.ts'

export const WRITE_SIZES = [KIB, 16 * KIB, 64 * KIB, MIB]

export async function sizes(context: Context): Promise<Metrics> {
  const { client, effort } = context
  const rates = await warmUp(context)
  const metrics: Metrics = {}
  for (const writeBytes of WRITE_SIZES) {
    // small writes are several times slower: a quarter of the bytes
    const share = writeBytes < 16 * KIB ? 0.25 : 1
    for (const [mode, name] of [
      ['U', 'up'],
      ['D', 'down']
    ] as const) {
      const bytes = sizeFor(rates[name] * share, effort)
      const duplex = await client.open()
      const begin = performance.now()
      const transfer = new Transfer(duplex, mode, bytes, writeBytes)
      await transfer.done
      metrics[`write${writeBytes}.${name}MBps`] = rate(bytes, begin)
      transfer.end()
    }
  }
  return metrics
}
