// Asks the real jail what it can do here: it tries all of stage 1 in a child, for each level.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { JailFacts } from './facts.ts'

const TIMEOUT_MS = 10_000
const MAX_OUTPUT_CHARS = 64 * 1024
/** Who a service becomes where root starts it. */
const NOBODY = '65534:65534'

/** Where the package has its jail; absent on platforms that have none. */
export function jailFile(platform = process.platform, arch = process.arch): string | undefined {
  if (platform !== 'linux') {
    return undefined
  }
  // from the sources and from dist alike
  const up = import.meta.url.endsWith('.ts') ? '..' : '../..'
  return fileURLToPath(new URL(`${up}/prebuilds/${platform}-${arch}/xtp-jail`, import.meta.url))
}

/** Starts the jail, has it probe every level, and ends it. Never rejects. */
export async function probeJail(file: string | undefined, cgroup?: string): Promise<JailFacts> {
  if (file === undefined) {
    return { lines: [] }
  }
  try {
    fs.accessSync(file, fs.constants.X_OK)
  } catch (error) {
    return { file, error: (error as NodeJS.ErrnoException).code ?? 'EACCES', lines: [] }
  }
  const args = ['--ro', process.execPath]
  if (process.getuid?.() === 0) {
    args.push('--user', NOBODY)
  }
  if (cgroup !== undefined) {
    args.push('--cgroup', cgroup, '--memory-max', String(2 ** 30), '--pids-max', '64')
  }
  const child = spawn(file, [...args, '--', process.execPath], { env: {}, cwd: '/' })
  let output = ''
  let complaint = ''
  let error: string | undefined
  let ended: () => void = () => {}
  // not withResolvers: a Node that is too old has to be told so
  const end = new Promise<void>(resolve => {
    ended = resolve
  })
  const timer = setTimeout(() => {
    error = `did not answer within ${TIMEOUT_MS / 1000} s`
    child.kill('SIGKILL')
  }, TIMEOUT_MS)
  child.on('error', cause => {
    error = (cause as NodeJS.ErrnoException).code ?? cause.message
    ended()
  })
  child.on('close', (code, signal) => {
    if (code !== 0) {
      error ??= complaint.trim().split('\n')[0] || `ended with ${code ?? signal}`
    }
    ended()
  })
  child.stdin.on('error', () => {})
  child.stderr.on('data', data => {
    complaint = (complaint + data).slice(0, MAX_OUTPUT_CHARS)
  })
  child.stdout.on('data', data => {
    output = (output + data).slice(0, MAX_OUTPUT_CHARS)
    // its stdin must stay open until it has answered: the end of it is its own end
    if ((output.match(/^probed .*\n/gm)?.length ?? 0) >= 3) {
      child.stdin.end()
    }
  })
  child.stdin.write('probe L2\nprobe L3\nprobe L4\n')
  await end
  clearTimeout(timer)
  return { file, error, lines: output.split('\n').filter(line => line !== '') }
}
