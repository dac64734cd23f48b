// What a workload gets and gives.
import type { Client } from '../contestants/types.ts'
import type { Usage } from './usage.ts'

/** Figures by name; lists are distributions. Names ending in a unit have that unit. */
export type Metrics = Record<string, number | number[]>

/** How much is done: quick or in full. */
export interface Effort {
  /** Transfers of each direction until the compiler and the garbage collector have settled. */
  warmUpMs: number
  /** A transfer takes about so long, by the rate of the warm-up; see `mib`. */
  transferMs: number
  /** The same over many streams or connections, and over one to compare with: all of them have to get going first. */
  manyMs: number
  /** Fixed size of a transfer instead; 0: none. */
  mib: number
  /** Round trips, and for how long at most. */
  echoTrips: number
  echoMs: number
  /** For connections one after the other, and for streams. */
  openMs: number
  /** Cold starts in each round. */
  starts: number
  streams: number[]
  connections: number[]
}

export interface Context {
  client: Client
  usage: Usage
  effort: Effort
  /** See `Contestant`. */
  maxStreams?: number
}

export type Workload = (context: Context) => Promise<Metrics>
