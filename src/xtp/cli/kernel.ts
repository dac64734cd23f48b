// Reads the kernel's files. Nothing here fails: what cannot be read is recorded as that.
import fs from 'node:fs'
import path from 'node:path'
import { delegatedCgroup, ownCgroup } from '../runner/cgroup.ts'
import { type CgroupFacts, type FileText, KERNEL_FILES, type MachineFacts } from './facts.ts'

/** Longer files are not what we think they are. */
const MAX_TEXT_BYTES = 1 << 20

function errnoOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO'
}

export function readText(file: string): FileText {
  try {
    return { text: fs.readFileSync(file, 'utf8').slice(0, MAX_TEXT_BYTES) }
  } catch (error) {
    return { errno: errnoOf(error) }
  }
}

export function readKernelFiles(): MachineFacts['files'] {
  return Object.fromEntries(KERNEL_FILES.map(file => [file, readText(file)]))
}

function writable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Of the group that the runner would divide. */
export function readCgroup(): CgroupFacts | undefined {
  const directory = delegatedCgroup() ?? ownCgroup()
  if (directory === undefined) {
    return undefined
  }
  return {
    directory,
    controllers: readText(path.posix.join(directory, 'cgroup.controllers')),
    writable: writable(directory) && writable(path.posix.join(directory, 'cgroup.procs'))
  }
}
