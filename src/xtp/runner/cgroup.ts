// The limits of level L4: a cgroup v2 folder that this user may divide, and how much a service gets.
import fs from 'node:fs'
import path from 'node:path'
import type { CgroupLimits } from './jail-host.ts'

/** Ten times what a busy service takes: a limit against an attacker, not against load. */
const MEMORY_MAX_BYTES = 1 << 30
/** Threads count; a service has about ten. */
const PIDS_MAX = 64

/** Where cgroup v2 is mounted. */
function mountPoint(mountinfo: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    // fields before " - ": id, parent, device, root, mount point, options
    const [fields = '', type = ''] = line.split(' - ')
    if (type.startsWith('cgroup2 ')) {
      return fields.split(' ')[4]
    }
  }
  return undefined
}

/** For a group below that of this process; undefined where there is no cgroup v2. */
export function cgroupLimits(): CgroupLimits | undefined {
  try {
    const own = /^0::(\/.*)$/m.exec(fs.readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
    const mount = mountPoint(fs.readFileSync('/proc/self/mountinfo', 'utf8'))
    if (own === undefined || mount === undefined) {
      return undefined
    }
    return {
      directory: path.posix.join(mount, own),
      memoryMaxBytes: MEMORY_MAX_BYTES,
      pidsMax: PIDS_MAX
    }
  } catch {
    return undefined
  }
}
