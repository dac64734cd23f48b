// A virtual machine for what this system may not have: a kernel with cgroup v2 alone, or another processor. qemu
// computes it (no hardware support is needed), Debian's packages are its system, a copy of the project its second disk.
//
//   node scripts/machine.mjs [--arch=x64|arm64] [TEST… | --sh=SCRIPT]

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { debianMirror } from './fetch-vendor.mjs'
import { makeForeign } from './foreign.mjs'
import { Failure, fingerprint, main, root, run, unlessFresh } from './run.mjs'
import { installDebian } from './test-setup.mjs'

/** Debian 12, for its kernel (6.1) is the oldest that has what the sandbox wants. */
const SUITE = 'bookworm'
const PACKAGES = ['libstdc++6', 'busybox-static', 'python3']
const MACHINES = {
  x64: {
    debian: 'amd64',
    qemu: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    options: ['-machine', 'q35', '-cpu', 'max'],
    console: 'ttyS0'
  },
  arm64: {
    debian: 'arm64',
    qemu: 'qemu-system-aarch64',
    package: 'qemu-system-arm',
    options: ['-machine', 'virt', '-cpu', 'cortex-a72'],
    console: 'ttyAMA0'
  }
}
/** Before the counts, in what a machine prints. */
const COUNTS = 'counts: '
const SANDBOX = ['cgroup', 'levels', 'jail-levels', 'attacks'].map(
  name => `test/sandbox/${name}.test.ts`
)
/** What needs such a machine, in CI and at full counts. */
export const MACHINE_TESTS = {
  short: { x64: ['test/sandbox/cgroup.test.ts'] },
  full: { x64: SANDBOX, arm64: ['test/machine/native.test.ts', ...SANDBOX] }
}
/** Virtual disks, and what they are on: below drivers/ of the kernel. */
const DRIVERS = [
  ...['virtio', 'virtio_ring', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', 'virtio_pci'].map(
    name => `virtio/${name}.ko`
  ),
  'block/virtio_blk.ko'
]
const MEMORY_MIB = 4096
/** Of the project's disk. */
const DISK_MIB = 1024
/** A machine that runs longer stands still. */
const LIMIT_MS = 60 * 60_000

/** What of the project no test in the machine reads. */
const LEFT_OUT = [
  ...['.git', '.cache', 'build', 'test/runtimes/node_modules'],
  ...['@babel', '@biomejs', '@typescript', 'clang-format', 'typescript', 'vega', 'vega-lite'].map(
    name => `node_modules/${name}`
  )
]

/** What of build/, which is left out, its tests want. */
const ADDONS_DIR = 'build/native/native'
const ADDONS = ['attacks/xtp_attacks.node']

/** Commands that are not here, with the packages that have them. */
function lackingTools({ qemu, package: name }) {
  const tools = { [qemu]: name, debootstrap: 'debootstrap', cpio: 'cpio', mke2fs: 'e2fsprogs' }
  const folders = ['/usr/sbin', '/sbin', ...process.env.PATH.split(path.delimiter)]
  return Object.entries(tools).filter(
    ([command]) => !folders.some(folder => fs.existsSync(path.join(folder, command)))
  )
}

/** Why there can be no machine here; undefined where there can. */
export function machineMissing() {
  if (process.platform !== 'linux') {
    return 'it is made on Linux'
  }
  if (process.getuid() !== 0) {
    return 'debootstrap makes it, for root alone'
  }
  try {
    debianMirror()
    return undefined
  } catch (error) {
    return `it is made of Debian’s packages: ${error.message}`
  }
}

async function ensureTools(machine) {
  for (const [command, debian] of lackingTools(machine)) {
    await installDebian(debian, `the tests’ virtual machine needs ${command}`)
  }
}

/** Kernel, first programs and root disk, in .cache/machine. */
async function makeSystem(arch, { debian }) {
  const dir = path.join(root, '.cache/machine', arch)
  const made = ['vmlinuz', 'initrd.gz', 'root.img'].map(name =>
    path.join('.cache/machine', arch, name)
  )
  await unlessFresh(
    `making a virtual machine (${arch})`,
    `machine-${arch}`,
    fingerprint(['scripts/machine.mjs', 'test/machine/initrd.sh']),
    made,
    async () => {
      fs.rmSync(dir, { recursive: true, force: true })
      const tree = path.join(dir, 'root')
      fs.mkdirSync(tree, { recursive: true })
      const log = fs.openSync(path.join(dir, 'debootstrap.log'), 'w')
      const wanted = [...PACKAGES, `linux-image-cloud-${debian}`].join(',')
      await run(
        'debootstrap',
        [
          ...['--download-only', `--arch=${debian}`, '--variant=minbase', `--include=${wanted}`],
          ...[SUITE, path.join(dir, 'debs'), debianMirror()]
        ],
        { stdio: ['ignore', log, log] }
      )
      fs.closeSync(log)
      const debs = path.join(dir, 'debs/var/cache/apt/archives')
      for (const name of fs.readdirSync(debs).filter(each => each.endsWith('.deb'))) {
        await run('dpkg-deb', ['-x', path.join(debs, name), tree])
      }
      fs.mkdirSync(path.join(tree, 'project'))
      const boot = fs.readdirSync(path.join(tree, 'boot'))
      const kernel = boot.find(name => name.startsWith('vmlinuz-'))
      fs.renameSync(path.join(tree, 'boot', kernel), path.join(dir, 'vmlinuz'))
      const drivers = path.join(
        tree,
        'lib/modules',
        kernel.slice('vmlinuz-'.length),
        'kernel/drivers'
      )
      const first = path.join(dir, 'initrd')
      for (const name of ['bin', 'modules', 'dev', 'root']) {
        fs.mkdirSync(path.join(first, name), { recursive: true })
      }
      fs.copyFileSync(path.join(tree, 'bin/busybox'), path.join(first, 'bin/busybox'))
      fs.copyFileSync(path.join(root, 'test/machine/initrd.sh'), path.join(first, 'init'))
      for (const file of DRIVERS) {
        fs.copyFileSync(path.join(drivers, file), path.join(first, 'modules', path.basename(file)))
      }
      await run('sh', ['-c', 'find . | cpio -o -H newc --quiet | gzip -1 >../initrd.gz'], {
        cwd: first
      })
      fs.rmSync(path.join(tree, 'lib/modules'), { recursive: true })
      await disk(path.join(dir, 'root.img'), tree, 512)
      for (const name of ['root', 'debs', 'initrd']) {
        fs.rmSync(path.join(dir, name), { recursive: true })
      }
    }
  )
  return dir
}

function disk(file, tree, mebibytes) {
  fs.rmSync(file, { force: true })
  const options = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-O',
    '^has_journal',
    '-E',
    'root_owner=0:0',
    '-d',
    tree
  ]
  return run('mke2fs', [...options, file, `${mebibytes}M`])
}

/** The disk of the project: this checkout, as it is built, or as another processor wants it. */
async function projectDisk(dir, arch, script) {
  const tree = path.join(dir, 'project')
  fs.rmSync(tree, { recursive: true, force: true })
  const foreign = arch !== process.arch
  const skipped = new Set(LEFT_OUT.map(name => path.join(root, name)))
  if (foreign) {
    skipped.add(path.join(root, 'node_modules'))
  }
  const filter = from => !skipped.has(from)
  for (const name of fs.readdirSync(root)) {
    const options = { recursive: true, verbatimSymlinks: true, filter }
    fs.cpSync(path.join(root, name), path.join(tree, name), options)
  }
  if (foreign) {
    await makeForeign(arch, tree)
  } else {
    copyInto(
      tree,
      ADDONS.map(name => [path.join(ADDONS_DIR, name), path.join(ADDONS_DIR, name)])
    )
  }
  fs.mkdirSync(path.join(tree, '.machine'))
  fs.writeFileSync(path.join(tree, '.machine/run.sh'), script)
  await disk(path.join(dir, 'project.img'), tree, DISK_MIB)
  fs.rmSync(tree, { recursive: true })
}

function copyInto(tree, pairs) {
  for (const [from, to] of pairs) {
    fs.mkdirSync(path.join(tree, path.dirname(to)), { recursive: true })
    fs.copyFileSync(path.join(root, from), path.join(tree, to))
  }
}

/**
 * Runs a shell script in the project's folder of a machine. Its output comes to this one's (`late`: when it is over).
 *
 * @returns what it printed
 */
export async function runInMachine(arch, script, late = false) {
  const machine = MACHINES[arch]
  if (machine === undefined) {
    throw new Failure(`no machine ${arch}: use ${Object.keys(MACHINES).join(' or ')}`)
  }
  await ensureTools(machine)
  const dir = await makeSystem(arch, machine)
  await projectDisk(dir, arch, script)
  const drive = (name, more) => `file=${path.join(dir, name)},format=raw,if=virtio${more}`
  const args = [
    ...machine.options,
    ...['-accel', 'tcg,thread=multi', '-smp', '2', '-m', String(MEMORY_MIB)],
    ...['-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot', '-nic', 'none'],
    ...['-kernel', path.join(dir, 'vmlinuz'), '-initrd', path.join(dir, 'initrd.gz')],
    ...['-append', `console=${machine.console} quiet panic=-1 cgroup_no_v1=all`],
    ...['-drive', drive('root.img', ',snapshot=on'), '-drive', drive('project.img', '')]
  ]
  const child = spawn(machine.qemu, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', data => {
    text += data
    if (!late) {
      process.stdout.write(data)
    }
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  clearTimeout(timer)
  fs.rmSync(path.join(dir, 'project.img'))
  if (late) {
    process.stdout.write(text)
  }
  return text
}

/**
 * Runs test files in a machine, with the Node that the project pins.
 *
 * @returns the counts of scripts/count-reporter.mjs
 */
export async function testInMachine(arch, names, { variables = {}, late = false } = {}) {
  const environment = Object.entries({
    XTP_SANDBOX_MUST_WORK: '1',
    // a virtual processor compiles slowly
    NODE_COMPILE_CACHE: '/tmp/compile-cache',
    XTP_TEST_PATIENCE: '20',
    XTP_TEST_CGROUP: '1',
    ...variables
  })
  const script = [
    ...environment.map(([name, value]) => `export ${name}='${value}'`),
    [
      'node_modules/.bin/node --test --test-concurrency=1 --test-reporter=spec --test-reporter-destination=stdout',
      `--test-reporter=./scripts/count-reporter.mjs --test-reporter-destination=/tmp/counts ${names.join(' ')}`
    ].join(' '),
    `printf '\\n%s%s\\n' '${COUNTS}' "$(cat /tmp/counts)"`
  ].join('\n')
  const text = await runInMachine(arch, `${script}\n`, late)
  const line = text.split('\n').find(each => each.startsWith(COUNTS))
  try {
    return JSON.parse(line.slice(COUNTS.length))
  } catch {
    throw new Failure(`the virtual machine (${arch}) ended before its tests did`)
  }
}

if (process.argv[1] === import.meta.filename) {
  await main(async () => {
    const option = name =>
      process.argv.find(arg => arg.startsWith(`--${name}=`))?.slice(name.length + 3)
    const arch = option('arch') ?? 'x64'
    const script = option('sh')
    if (script !== undefined) {
      await runInMachine(arch, `${script}\n`)
      return
    }
    const names = process.argv.slice(2).filter(arg => !arg.startsWith('--'))
    const { failed } = await testInMachine(
      arch,
      names.length > 0 ? names : MACHINE_TESTS.full[arch]
    )
    process.exitCode = failed === 0 ? 0 : 1
  })
}
