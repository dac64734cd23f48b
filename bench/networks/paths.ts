// The networks that are measured.

export interface NetworkPath {
  name: string
  /** Options of path_emulator (options.cc); none: the loopback device, without an emulator. */
  options?: Record<string, number>
  /** So little passes that no processor matters: it is measured beside others. */
  narrow?: true
}

/** Round trips, because that is what people name: each direction has half of it. */
const roundTrip = (ms: number) => ({ 'delay-ms': ms / 2 })

export const paths: Record<string, NetworkPath> = {
  loopback: { name: 'loopback' },
  lan: { name: 'LAN, 1 ms', options: roundTrip(1) },
  wan: { name: '50 ms', options: roundTrip(50) },
  'wan-loss': { name: '50 ms, 1 % loss', options: { ...roundTrip(50), loss: 0.01 } },
  bottleneck: {
    name: '20 ms, 100 Mbit/s, queue of 512 KB',
    options: { ...roundTrip(20), 'rate-mbit': 100, 'queue-kb': 512 },
    narrow: true
  },
  far: { name: '200 ms, 0.1 % loss', options: { ...roundTrip(200), loss: 0.001 }, narrow: true }
}

/**
 * Shared by two flows. Its queue takes 210 ms to empty: LEDBAT aims at a queue of 100 ms, and where there is
 * less, it cannot tell that anybody else is there.
 */
export const shared: NetworkPath = {
  name: '20 ms, 20 Mbit/s, queue of 512 KB',
  options: { ...roundTrip(20), 'rate-mbit': 20, 'queue-kb': 512 },
  narrow: true
}
