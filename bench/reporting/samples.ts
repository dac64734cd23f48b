// Samples of perf: of which thread each is, and whose code it was.
import { execFileSync } from 'node:child_process'
import { tree } from '../../test/support/processes.ts'

const MAX_OUTPUT_BYTES = 2 ** 30

export interface Sample {
  thread: string
  isApplication: boolean
  /** Innermost function and the file it is in. */
  symbol: string
  object: string
}

/** @param applications - and all that they have started; they must still run */
export function samplesOf(file: string, applications: number[]): Sample[] {
  const args = ['script', '-i', file, '-F', 'comm,pid,ip,sym,dso', '--no-inline']
  const text = execFileSync('perf', args, {
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT_BYTES,
    stdio: ['ignore', 'pipe', 'ignore']
  })
  const ours = new Set(applications.flatMap(pid => [...tree(pid)]))
  return text.split('\n\n').flatMap(block => {
    const [head = '', frame = ''] = block.trimStart().split('\n')
    const [, thread, pid] = /^(.*?)\s+(\d+)\s*$/.exec(head) ?? []
    const [, symbol, object] =
      /^\s*[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)\s*$/.exec(frame) ?? []
    if (thread === undefined || symbol === undefined || object === undefined) {
      return []
    }
    const isApplication = applications.includes(Number(pid))
    return ours.has(Number(pid)) ? [{ thread, isApplication, symbol, object }] : []
  })
}

const CIPHERS = /^_?(aes|chacha|poly1305|gcm|evp_|ossl_|crypto_|sha\d|padlock)/i
const COPIES = /mem(move|cpy|set)/
const COLLECTOR = /v8::internal::.*(Mark|Scaveng|Sweep|Evacuat|Heap|SemiSpace|Weak)/
const ALLOCATOR = /^(_int_)?(malloc|free|realloc|calloc)|^(unlink_chunk|sysmalloc|systrim)/

export const OTHERS = 'Node, V8, libc, libuv'

/** Whose code it was. */
export function ownerOf({ symbol, object, thread }: Sample): string {
  if (/kernel|\[k\]|^\[guest/.test(object)) {
    return 'kernel'
  }
  if (CIPHERS.test(symbol)) {
    return 'ciphers'
  }
  if (COPIES.test(symbol)) {
    return 'copies'
  }
  if (ALLOCATOR.test(symbol)) {
    return 'malloc'
  }
  if (/^JS:|^(Lazy|Eager)Compile/.test(symbol)) {
    return /\/node_modules\//.test(symbol)
      ? 'JavaScript of libp2p and others'
      : /\/src\/xtp/.test(symbol)
        ? 'JavaScript of XTP'
        : 'JavaScript of Node and of this benchmark'
  }
  if (/memfd:|xtp-\w+.*\.node/.test(object)) {
    return 'addon and its library'
  }
  return thread === 'V8Worker' || COLLECTOR.test(symbol) ? 'collector of V8' : OTHERS
}

/** In which kind of thread. */
export function rowOf({ isApplication, thread }: Sample): string {
  if (!isApplication) {
    return thread.startsWith('xtp-io') ? 'services, I/O thread' : 'services, others'
  }
  return thread === 'V8Worker' ? 'applications, V8’s threads' : 'applications, main thread'
}
