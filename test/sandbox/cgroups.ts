// The group of cgroup v2 that was delegated to the tests, if any.
import fs from 'node:fs'
import path from 'node:path'

const MOUNT = '/sys/fs/cgroup'

/** A folder in which this user can make groups with limits: above the group of this process, and with its controllers on. */
export function cgroupFolder(): string | undefined {
  try {
    const own = /^0::(\/.+)$/m.exec(fs.readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
    const folder = path.dirname(path.join(MOUNT, own as string))
    fs.accessSync(path.join(folder, 'cgroup.procs'), fs.constants.W_OK)
    const on = fs.readFileSync(path.join(folder, 'cgroup.subtree_control'), 'utf8').split(/\s/)
    return on.includes('memory') && on.includes('pids') ? folder : undefined
  } catch {
    return undefined
  }
}
