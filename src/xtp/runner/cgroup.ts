// Where level L4 makes its groups: a cgroup v2 folder that this user may divide.
import fs from 'node:fs'
import path from 'node:path'

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

/** The group of this process; undefined where there is no cgroup v2. */
export function ownCgroup(proc = '/proc/self'): string | undefined {
  try {
    const own = /^0::(\/.*)$/m.exec(fs.readFileSync(`${proc}/cgroup`, 'utf8'))?.[1]
    const mount = mountPoint(fs.readFileSync(`${proc}/mountinfo`, 'utf8'))
    return own === undefined || mount === undefined ? undefined : path.posix.join(mount, own)
  } catch {
    return undefined
  }
}

/**
 * A folder in which this user can make groups with limits: that above the group of this process, or
 * that group itself. A group with processes of its own cannot have limited groups in it, so that the
 * second is rare.
 */
export function delegatedCgroup(own = ownCgroup()): string | undefined {
  return own === undefined ? undefined : [path.dirname(own), own].find(isDelegated)
}

/** It passes the controllers on, or can be told to: it has them, and no process of its own. */
function isDelegated(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK)
    const hasBoth = (file: string) => {
      const names = read(folder, file).split(/\s/)
      return names.includes('memory') && names.includes('pids')
    }
    if (hasBoth('cgroup.subtree_control')) {
      return true
    }
    fs.accessSync(path.join(folder, 'cgroup.subtree_control'), fs.constants.W_OK)
    return hasBoth('cgroup.controllers') && read(folder, 'cgroup.procs') === ''
  } catch {
    return false
  }
}

function read(folder: string, file: string): string {
  return fs.readFileSync(path.join(folder, file), 'utf8')
}
