// What the doctor's readers found on several kinds of machine.
import type { FileText, MachineFacts } from '../facts.ts'

const file = (text: string): FileText => ({ text: `${text}\n` })
const missing: FileText = { errno: 'ENOENT' }

const STATUS = `Name:\tnode
Pid:\t4711
NoNewPrivs:\t0
Seccomp:\t0
Seccomp_filters:\t0`

const ACTIONS = 'kill_process kill_thread trap errno user_notif trace log allow'
const JAIL = '/app/node_modules/xtp/prebuilds/linux-x64/xtp-jail'
const IMPLEMENTATION = 'xtp-utp/0.1.0 (xtp-utp 0.1.0, libutp of utp-native 2.5.3, node v24.21.0)'

const answered = (level: 'L0' | 'L2' | 'L3' | 'L4', reason = 'the strongest that works here') => ({
  implementation: IMPLEMENTATION,
  level,
  reason
})

const utp: MachineFacts['transports'][number] = {
  package: 'xtp-utp',
  version: '0.1.0',
  directory: '/app/node_modules/xtp-utp',
  addon: '/app/node_modules/xtp-utp/prebuilds/linux-x64/xtp-utp.glibc.node',
  started: answered('L4')
}

/** Debian 12 with everything, started in a delegated group. */
export const complete: MachineFacts = {
  xtp: '0.1.0',
  node: 'v24.21.0',
  platform: 'linux',
  arch: 'x64',
  uid: 1000,
  kernel: '6.12.57+deb12-amd64',
  files: {
    '/proc/self/status': file(STATUS),
    '/proc/self/cgroup': file(
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope'
    ),
    '/proc/self/mountinfo': file(
      '35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate'
    ),
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': missing,
    '/proc/sys/kernel/seccomp/actions_avail': file(ACTIONS),
    '/proc/sys/kernel/unprivileged_userns_clone': file('1'),
    '/proc/sys/net/core/rmem_max': file('4194304'),
    '/proc/sys/net/core/wmem_max': file('4194304'),
    '/proc/sys/user/max_user_namespaces': file('127182')
  },
  cgroup: {
    directory: '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope',
    controllers: file('cpu memory pids'),
    subtreeControl: file(''),
    writable: true
  },
  jail: {
    file: JAIL,
    lines: [
      'hello 1 4712 @0001a landlock=6 uid=1000',
      'probed L2 ok',
      'probed L3 ok',
      'probed L4 ok'
    ]
  },
  transports: [utp]
}

/** Ubuntu 24.04 as it is installed: AppArmor makes user namespaces powerless, buffers are small. */
export const ubuntu: MachineFacts = {
  ...complete,
  kernel: '6.8.0-45-generic',
  files: {
    ...complete.files,
    '/proc/self/cgroup': file('0::/user.slice/user-1000.slice/session-3.scope'),
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': file('1'),
    '/proc/sys/net/core/rmem_max': file('212992'),
    '/proc/sys/net/core/wmem_max': file('212992')
  },
  cgroup: {
    directory: '/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope',
    controllers: file('cpu memory pids'),
    subtreeControl: file(''),
    writable: false
  },
  jail: {
    file: JAIL,
    lines: [
      'hello 1 4712 @0001a landlock=4 uid=1000',
      'probed L2 ok',
      'probed L3 mount_private EACCES',
      'probed L4 cgroup EINVAL'
    ]
  },
  transports: [{ ...utp, started: answered('L2') }]
}

/** Root in a container whose seccomp profile forbids new namespaces. */
export const container: MachineFacts = {
  ...complete,
  uid: 0,
  files: {
    ...complete.files,
    '/proc/self/status': file(STATUS.replace('Seccomp:\t0', 'Seccomp:\t2')),
    '/proc/self/cgroup': file('0::/'),
    '/proc/sys/kernel/unprivileged_userns_clone': missing
  },
  cgroup: {
    directory: '/sys/fs/cgroup/',
    controllers: file('cpu memory pids'),
    subtreeControl: file(''),
    writable: false
  },
  jail: {
    file: JAIL,
    lines: [
      'hello 1 12 @00003 landlock=6 uid=0',
      'probed L2 ok',
      'probed L3 unshare_mount EPERM',
      'probed L4 cgroup EINVAL'
    ]
  },
  transports: [{ ...utp, started: answered('L2') }]
}

/** A kernel on which somebody set the number of user namespaces to 0. */
export const noNamespaces: MachineFacts = {
  ...complete,
  files: { ...complete.files, '/proc/sys/user/max_user_namespaces': file('0') },
  jail: {
    file: JAIL,
    lines: [
      'hello 1 4712 @0001a landlock=6 uid=1000',
      'probed L2 ok',
      'probed L3 namespaces ENOSPC',
      'probed L4 namespaces ENOSPC'
    ]
  },
  transports: [{ ...utp, started: answered('L2') }]
}

/** macOS on Apple silicon, the addon built there. */
export const mac: MachineFacts = {
  xtp: '0.1.0',
  node: 'v24.21.0',
  platform: 'darwin',
  arch: 'arm64',
  uid: 501,
  kernel: '24.6.0',
  files: {},
  jail: { lines: [] },
  transports: [
    {
      ...utp,
      addon: '/app/node_modules/xtp-utp/build/Release/xtp_utp.node',
      started: answered('L0')
    }
  ]
}

export const node20: MachineFacts = {
  ...complete,
  node: 'v20.20.2',
  transports: [{ ...utp, started: undefined }]
}

/** Installed with its prebuilt files left out. */
export const noJail: MachineFacts = {
  ...complete,
  jail: { file: JAIL, error: 'ENOENT', lines: [] },
  transports: [
    {
      ...utp,
      addon: undefined,
      started: {
        error: 'the service ended with exit code 69',
        logTail: ['xtp-utp has no addon for linux-x64']
      }
    }
  ]
}

/** /proc and /sys hidden, as some hardened services have them; the jail answers all the same. */
export const hidden: MachineFacts = {
  ...complete,
  files: Object.fromEntries(
    Object.keys(complete.files).map(name => [name, { errno: 'EACCES' }])
  ) as MachineFacts['files'],
  cgroup: undefined,
  jail: {
    file: JAIL,
    lines: [
      'hello 1 4712 @0001a landlock=6 uid=1000',
      'probed L2 ok',
      'probed L3 proc EACCES',
      'probed L4 cgroup EINVAL'
    ]
  },
  transports: [{ ...utp, started: answered('L2') }]
}

/** The jail works, and the application has switched it off, or does not use it. */
export const unused: MachineFacts = {
  ...complete,
  transports: [{ ...utp, started: answered('L0', 'started directly: no sandbox') }]
}
