// Small helpers of the scripts in this folder. Plain JavaScript for Node >= 20.
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '..')
export const bin = name => path.join(root, 'node_modules/.bin', name)

/** The environment of everything the scripts start: the pinned node comes first. */
export const env = {
  ...process.env,
  PATH: `${path.join(root, 'node_modules/.bin')}${path.delimiter}${process.env.PATH}`
}

/** An error whose message is all that the user needs: no stack is printed for it. */
export class Failure extends Error {}

/** Runs a program with the terminal's output. Resolves with nothing, rejects with a Failure. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: 'inherit', ...options })
    child.on('error', error => reject(new Failure(`${command}: ${error.message}`)))
    child.on('exit', (code, signal) => {
      if (code === 0) {
        resolve()
      } else {
        const end = signal === null ? `exit code ${code}` : signal
        reject(
          new Failure(`${path.basename(command)} ${args.slice(0, 3).join(' ')} … ended with ${end}`)
        )
      }
    })
  })
}

export function output(command, args, options = {}) {
  return execFileSync(command, args, { cwd: root, env, encoding: 'utf8', ...options }).trim()
}

export function has(command) {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The processes that `pid` has started, and those that they have, as { pid, command }. Linux only. */
export function descendants(pid) {
  const all = []
  for (const name of fs.readdirSync('/proc').filter(entry => /^\d+$/.test(entry))) {
    try {
      const stat = fs.readFileSync(`/proc/${name}/stat`, 'utf8')
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      all.push({ pid: Number(name), parent: Number(parent), command })
    } catch {
      // it has ended
    }
  }
  const below = parent =>
    all.filter(each => each.parent === parent).flatMap(each => [each, ...below(each.pid)])
  return below(pid)
}

/** Every file below `dirs` (relative to the root) that `wanted` takes, sorted. */
export function files(dirs, wanted = () => true) {
  const found = []
  const walk = entry => {
    const full = path.join(root, entry)
    const stat = fs.statSync(full, { throwIfNoEntry: false })
    if (stat === undefined) {
      return
    }
    if (stat.isFile()) {
      if (wanted(entry)) {
        found.push(entry)
      }
      return
    }
    for (const name of fs.readdirSync(full)) {
      if (!['node_modules', 'dist', 'build', 'prebuilds', '.cache'].includes(name)) {
        walk(path.join(entry, name))
      }
    }
  }
  dirs.forEach(walk)
  return found.sort()
}

/** Hash of the contents of files, so that work is done again exactly when its input changed. */
export function fingerprint(names, extra = '') {
  const hash = createHash('sha256').update(extra)
  for (const name of names) {
    hash
      .update(name)
      .update('\0')
      .update(fs.readFileSync(path.join(root, name)))
  }
  return hash.digest('hex')
}

const stampFile = name => path.join(root, '.cache/stamps', name)

/** Whether the last successful run had the same fingerprint and its outputs still exist. */
export function isFresh(stampName, print, outputs) {
  const stamp = stampFile(stampName)
  return (
    outputs.every(name => fs.existsSync(path.join(root, name))) &&
    fs.existsSync(stamp) &&
    fs.readFileSync(stamp, 'utf8') === print
  )
}

/** Runs `work` unless its result is fresh. */
export async function unlessFresh(label, stampName, print, outputs, work) {
  if (isFresh(stampName, print, outputs)) {
    return
  }
  const stamp = stampFile(stampName)
  const start = Date.now()
  console.log(`${label} …`)
  await work()
  fs.mkdirSync(path.dirname(stamp), { recursive: true })
  fs.writeFileSync(stamp, print)
  console.log(`${label}: ${((Date.now() - start) / 1000).toFixed(1)} s`)
}

/** Ends the process with a readable message where a script fails. */
export async function main(work) {
  try {
    await work()
  } catch (error) {
    console.error(`\n${error instanceof Failure ? error.message : error.stack}`)
    process.exitCode = 1
  }
}
