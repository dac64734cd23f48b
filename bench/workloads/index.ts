// What a client measures, by the name that the matrix uses. `starts` makes its own clients: workloads/starts.ts.
import { core } from './core.ts'
import { connections, streams } from './many.ts'
import { sizes } from './sizes.ts'
import type { Workload } from './types.ts'

export const workloads: Record<string, Workload> = {
  core,
  sizes,
  streams,
  connections
}
