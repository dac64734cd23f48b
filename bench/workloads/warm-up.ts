// Everything is compiled and its buffers have grown before anything is measured.
import { MIB, rate, Transfer } from './transfer.ts'
import type { Context, Effort } from './types.ts'

const PIECE_BYTES = 32 * MIB
const LEAST_BYTES = 8 * MIB
const MOST_BYTES = 4096 * MIB

/** MB per second at the end of the warm-up. */
export interface Rates {
  up: number
  down: number
}

export async function warmUp({ client, effort }: Context): Promise<Rates> {
  const settle = async (mode: 'U' | 'D') => {
    const end = performance.now() + effort.warmUpMs
    let last = 0
    do {
      const begin = performance.now()
      const transfer = new Transfer(await client.open(), mode, PIECE_BYTES)
      await transfer.done
      last = rate(PIECE_BYTES, begin)
      transfer.end()
    } while (performance.now() < end)
    return last
  }
  return { up: await settle('U'), down: await settle('D') }
}

/** Bytes that take about so long, so that a slow contestant does not take the whole run. */
export function sizeFor(mbPerSecond: number, effort: Effort, ms = effort.transferMs): number {
  if (effort.mib > 0) {
    return effort.mib * MIB
  }
  const bytes = mbPerSecond * 1000 * ms
  return Math.min(MOST_BYTES, Math.max(LEAST_BYTES, Math.round(bytes / MIB) * MIB))
}
