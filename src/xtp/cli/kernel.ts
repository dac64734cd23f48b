// Reads the kernel's files. Nothing here fails: what cannot be read is recorded as that.
import fs from 'node:fs'
import path from 'node:path'
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

const text = (file: FileText | undefined) => (file && 'text' in file ? file.text : '')

/**
 * The folder of this process's own cgroup v2 group, from the texts of /proc/self/cgroup and
 * /proc/self/mountinfo; undefined where there is none.
 */
export function cgroupDirectory(cgroup: string, mountinfo: string): string | undefined {
  const own = /^0::(\/.*)$/m.exec(cgroup)?.[1]
  for (const line of mountinfo.split('\n')) {
    // fields before " - ": id, parent, device, root, mount point, options
    const [fields = '', type = ''] = line.split(' - ')
    const [, , , root, mountPoint] = fields.split(' ')
    if (own !== undefined && type.startsWith('cgroup2 ') && root && mountPoint) {
      const below = root === '/' ? own : own.startsWith(`${root}/`) ? own.slice(root.length) : '/'
      return path.posix.join(mountPoint, below)
    }
  }
  return undefined
}

function writable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

export function readCgroup(files: MachineFacts['files']): CgroupFacts | undefined {
  const directory = cgroupDirectory(
    text(files['/proc/self/cgroup']),
    text(files['/proc/self/mountinfo'])
  )
  if (directory === undefined) {
    return undefined
  }
  return {
    directory,
    controllers: readText(path.posix.join(directory, 'cgroup.controllers')),
    subtreeControl: readText(path.posix.join(directory, 'cgroup.subtree_control')),
    writable: writable(directory) && writable(path.posix.join(directory, 'cgroup.procs'))
  }
}
