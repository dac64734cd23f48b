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

const answered = (
  level: 'L0' | 'L2' | 'L3' | 'L4',
  reason = 'the strongest that needs no cgroup'
) => ({
  implementation: IMPLEMENTATION,
  level,
  reason
})

const utp: MachineFacts['transports'][number] = {
  package: 'xtp-utp',
  version: '0.1.0',
  directory: '/app/node_modules/xtp-utp',
  addon: '/app/node_modules/xtp-utp/prebuilds/linux-x64/xtp-utp.glibc.node',
  started: answered('L3')
}

/** Debian 12 with everything, started in a delegated group. */
export const complete: MachineFacts = {
  xtp: '0.1.0',
  node: 'v24.21.0',
  platform: 'linux',
  arch: 'x64',
  uid: 1000,
  execPath: '/usr/bin/node',
  kernel: '6.12.57+deb12-amd64',
  files: {
    '/proc/self/status': file(STATUS),
    '/proc/self/cgroup': file(
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope'
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
    writable: true
  },
  jail: {
    file: JAIL,
    landlockAbi: 6,
    probes: { L2: 'ok', L3: 'ok', L4: 'ok' }
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
    writable: false
  },
  jail: {
    file: JAIL,
    landlockAbi: 4,
    probes: {
      L2: 'ok',
      L3: { step: 'mount_private', errno: 'EACCES' },
      L4: { step: 'cgroup', errno: 'EINVAL' }
    }
  },
  transports: [
    {
      ...utp,
      started: answered(
        'L2',
        'L3 does not work here: AppArmor forbids user namespaces (mount_private: EACCES)'
      )
    }
  ]
}

/** Root in a container whose seccomp profile forbids new namespaces. */
export const container: MachineFacts = {
  ...complete,
  uid: 0,
  serviceUser: { uid: 65_534, gid: 65_534 },
  files: {
    ...complete.files,
    '/proc/self/status': file(STATUS.replace('Seccomp:\t0', 'Seccomp:\t2')),
    '/proc/self/cgroup': file('0::/'),
    '/proc/sys/kernel/unprivileged_userns_clone': missing
  },
  cgroup: {
    directory: '/sys/fs/cgroup/',
    controllers: file('cpu memory pids'),
    writable: false
  },
  jail: {
    file: JAIL,
    landlockAbi: 6,
    probes: {
      L2: 'ok',
      L3: { step: 'mount_private', errno: 'EPERM' },
      L4: { step: 'cgroup', errno: 'EINVAL' }
    }
  },
  transports: [{ ...utp, started: answered('L2') }]
}

/** A kernel on which somebody set the number of user namespaces to 0. */
export const noNamespaces: MachineFacts = {
  ...complete,
  files: { ...complete.files, '/proc/sys/user/max_user_namespaces': file('0') },
  jail: {
    file: JAIL,
    landlockAbi: 6,
    probes: {
      L2: 'ok',
      L3: { step: 'namespaces', errno: 'ENOSPC' },
      L4: { step: 'namespaces', errno: 'ENOSPC' }
    }
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
  execPath: '/usr/local/bin/node',
  kernel: '24.6.0',
  files: {},
  jail: { error: 'the sandbox needs Linux, this is darwin', probes: {} },
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
  jail: { probes: {} },
  transports: [{ ...utp, started: undefined }]
}

/** Installed with its prebuilt files left out. */
export const noJail: MachineFacts = {
  ...complete,
  jail: {
    error: `the launcher ${JAIL} is missing (ENOENT): reinstall the package xtp`,
    probes: {}
  },
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
    landlockAbi: 6,
    probes: {
      L2: 'ok',
      L3: { step: 'proc', errno: 'EACCES' },
      L4: { step: 'cgroup', errno: 'EINVAL' }
    }
  },
  transports: [{ ...utp, started: answered('L2') }]
}

/** The jail works, and the application has switched it off, or does not use it. */
export const unused: MachineFacts = {
  ...complete,
  transports: [{ ...utp, started: answered('L0', 'started directly: no sandbox') }]
}
