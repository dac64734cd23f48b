// Counts what small collections leave in memory of bytes that have come and gone.
import v8 from 'node:v8'
import vm from 'node:vm'
import { settle } from './fake-service.ts'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as (options: { type: 'minor' }) => void
const CHUNK_BYTES = 64 * 1024
export const CHUNKS = 40

/** What survives two small collections is old. */
async function collectYoung(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await settle()
    collect({ type: 'minor' })
  }
}

/** How many of some chunks that went through one by one are still in memory. */
export async function kept(pass: (chunk: Uint8Array) => Promise<void>): Promise<number> {
  await collectYoung()
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < CHUNKS; i++) {
    await pass(new Uint8Array(CHUNK_BYTES))
    await collectYoung()
  }
  return Math.round((process.memoryUsage().arrayBuffers - before) / CHUNK_BYTES)
}
