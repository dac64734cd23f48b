// What the machine and the libraries can do without us: programs in C++ of bench/native, two processes
// each, or one where nothing else makes sense.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Metrics } from './workloads/types.ts'

export interface Reference {
  title: string
  /** Of build/bench; a name in `.node` is a module that node itself runs, for the OpenSSL that it exports. */
  program: string
  /** Before the role. */
  args: string[]
  /** No second process, or a child of its own. */
  isAlone?: boolean
}

const REFERENCE = 'reference'
const NGTCP2 = 'ngtcp2_pair.node'

export const references: Record<string, Reference> = {
  'native-ngtcp2': { title: 'ngtcp2 in C++', program: NGTCP2, args: ['65507'] },
  'native-ngtcp2-1452': {
    title: 'ngtcp2 in C++, 1452-byte payload',
    program: NGTCP2,
    args: ['1452']
  },
  'native-libutp': { title: 'libutp in C++', program: REFERENCE, args: ['utp'] },
  'native-libudt': { title: 'libudt in C++', program: 'udt_pair', args: [] },
  'native-tcp': { title: 'TCP in C++', program: REFERENCE, args: ['tcp'] },
  'native-udp': { title: 'UDP with GSO and GRO in C++', program: REFERENCE, args: ['udp'] },
  'native-unix': { title: 'unix socket in C++', program: REFERENCE, args: ['unix'], isAlone: true },
  'native-memcpy': { title: 'memcpy', program: REFERENCE, args: ['memcpy'], isAlone: true }
}

const FOLDER = path.resolve(import.meta.dirname, '../build/bench')
const RUN_MODULE = 'process.dlopen({exports:{}},process.argv[1])'
const LIMIT_MS = 30_000

interface End {
  bytes: number
  seconds: number
  cpuSeconds: number
}

const fileOf = ({ program }: Reference) => path.join(FOLDER, program)

/** scripts/build-bench.mjs leaves out what cannot be built on this platform. */
export const isBuilt = (name: string) => fs.existsSync(fileOf(references[name] as Reference))

function launch(reference: Reference, ...more: string[]) {
  const { program, args } = reference
  const all = [...args, ...more]
  const [file, argv] = program.endsWith('.node')
    ? [process.execPath, ['-e', RUN_MODULE, fileOf(reference), ...all]]
    : [fileOf(reference), all]
  const child = spawn(file, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  const ended = once(child, 'exit').finally(() => clearTimeout(timer))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async <T>(): Promise<T> => {
    const { value, done } = await lines.next()
    if (done) {
      throw new Error(`${[program, ...all].join(' ')} ended with ${(await ended).join(' ')}`)
    }
    return JSON.parse(value) as T
  }
  return { child, ended, next }
}

/** @throws Error where a program fails */
export async function measureReference(name: string, mib: number): Promise<Metrics> {
  const reference = references[name] as Reference
  if (reference.isAlone) {
    const alone = launch(reference, String(mib))
    return metrics(await alone.next<End>())
  }
  const server = launch(reference, 'server', String(mib))
  try {
    const { port } = await server.next<{ port: number }>()
    const client = launch(reference, 'client', String(mib), String(port))
    const sent = await client.next<End>()
    const received = await server.next<End>()
    // the receiver knows when the last byte came, and how many did
    return metrics({ ...received, cpuSeconds: sent.cpuSeconds + received.cpuSeconds })
  } finally {
    server.child.kill('SIGKILL')
    await server.ended
  }
}

function metrics({ bytes, seconds, cpuSeconds }: End): Metrics {
  return { MBps: bytes / seconds / 1e6, cpu: cpuSeconds / (bytes / 1e9) }
}
