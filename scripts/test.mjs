// npm test, npm run test:full: sets everything up, builds, runs every suite, adds up the counts.
//
//   node scripts/test.mjs [--full] [--only=NAME[,NAME…]] [--list]
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { build } from './build.mjs'
import { buildOpenSsl, buildStaticQuic, staticQuicMissing } from './build-static-quic.mjs'
import { instructions } from './instructions.mjs'
import { lint } from './lint.mjs'
import { MACHINE_TESTS, machineMissing, testInMachine } from './machine.mjs'
import { bin, descendants, env, Failure, files, main, output, root, run } from './run.mjs'
import {
  buildForeignPeers,
  buildNative,
  ensurePeers,
  ensureRuntimes,
  ensureTemplate,
  oldOpenSslRuntime,
  runtimes
} from './test-setup.mjs'

const full = process.argv.includes('--full')
const only = process.argv
  .find(arg => arg.startsWith('--only='))
  ?.slice(7)
  .split(',')
const testEnv = {
  ...env,
  TEST_TIER: full ? 'full' : 'short',
  // the unit and native tests' own names for their counts
  ...(full && { XTP_FUZZ_FRAMES: '100000', XTP_FUZZ_COUNT: '1000000' })
}
// What the allow list of a service does not name kills it: in every suite with real services.
const strict = { XTP_TEST_STRICT: '1' }
// What has run before, under other conditions.
const again = full ? {} : { TEST_TIER: 'again' }
const totals = { passed: 0, failed: 0, skipped: 0 }
/** What the closing lines tell of the tests that failed. */
const failures = []
const FAILURE_LINES = 20
/** No run of tests takes a third of it: one that does stands still. At full counts there is no limit. */
const RUN_LIMIT_MS = 20 * 60_000

function add({ passed, failed, skipped = 0 }) {
  totals.passed += passed
  totals.failed += failed
  totals.skipped += skipped
}

/** Ends a run that stands still, with all that it has started, and tells where it stood. */
function giveUp(child) {
  const all = descendants(child.pid)
  const tests = new Set(all.flatMap(({ command }) => command.match(/\S+\.test\.ts$/)?.[0] ?? []))
  const where = [...tests].join(', ') || child.spawnargs.join(' ')
  failures.push(`a run stood still for ${RUN_LIMIT_MS / 60_000} min, and was ended: ${where}`)
  for (const { pid } of [...all, child]) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it has ended
    }
  }
}

/** Runs a program, shows its output (`late`: when it is over), and returns exit code and output. */
function capture(command, args, { late = false, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: testEnv,
      stdio: ['ignore', 'pipe', late ? 'pipe' : 'inherit'],
      ...options
    })
    let text = ''
    let errors = ''
    child.stdout.on('data', data => {
      text += data
      if (!late) {
        process.stdout.write(data)
      }
    })
    child.stderr?.on('data', data => {
      errors += data
    })
    const timer = full ? undefined : setTimeout(() => giveUp(child), RUN_LIMIT_MS)
    child.on('error', reject)
    child.on('close', code => {
      clearTimeout(timer)
      if (late) {
        process.stdout.write(text)
        process.stderr.write(errors)
      }
      resolve({ code, text })
    })
  })
}

/** node --test over TypeScript files, with the sources of the packages unless told otherwise. */
async function nodeTest(
  names,
  { node = bin('node'), source = true, extraEnv = {}, late = false, concurrency = 1 } = {}
) {
  if (names.length === 0) {
    throw new Failure('a suite found no test files')
  }
  const counts = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-test-')), 'counts')
  const { code } = await capture(
    node,
    [
      ...(source ? ['-C', 'xtp:source'] : []),
      '--test',
      `--test-concurrency=${concurrency}`,
      '--test-timeout=600000',
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${path.join(root, 'scripts/count-reporter.mjs')}`,
      `--test-reporter-destination=${counts}`,
      ...names
    ],
    { env: { ...testEnv, ...extraEnv }, late }
  )
  const line = fs.readFileSync(counts, 'utf8').trim().split('\n').at(-1)
  fs.rmSync(path.dirname(counts), { recursive: true })
  const result = line ? JSON.parse(line) : { passed: 0, failed: 1 }
  if (code !== 0 && result.failed === 0) {
    result.failed = 1
  }
  addReported(result)
}

/** What scripts/count-reporter.mjs reports. */
function addReported(result) {
  for (const { name, file, line, error } of result.failures ?? []) {
    failures.push(`${file}:${line} ${name}: ${error}`)
  }
  add(result)
}

/** Its peer takes minutes to build. */
const isLong = name => name.includes('interop/rust-libp2p')

const testFiles = dir => files([dir], name => name.endsWith('.test.ts') && (full || !isLong(name)))

/** Files at once: these tests wait for processes and for time to pass as much as they compute. */
const LANES = 2

/** They wait for slow paths and for time to pass most of the time. */
const WAITING = ['transfer/lossy', 'transfer/quic-idle', 'interop/libtorrent']

/** nodeTest over folders of test/ with real services: what mostly waits runs beside the others. */
async function services(dirs, options) {
  const all = dirs.flatMap(dir => testFiles(`test/${dir}`))
  const waiting = all.filter(name => WAITING.some(part => name.includes(part)))
  const others = all.filter(name => !waiting.includes(name))
  const runs = [nodeTest(others, { source: false, concurrency: LANES, ...options })]
  if (waiting.length > 0) {
    runs.push(nodeTest(waiting, { source: false, concurrency: LANES, ...options, late: true }))
  }
  await Promise.all(runs)
}

/** Runs of the same tests under other conditions: at once where they mostly wait, in turn at full counts. */
async function repeats(conditions, test) {
  const runs = []
  for (const condition of conditions) {
    runs.push(test(condition))
    if (full) {
      await runs.at(-1)
    }
  }
  await Promise.all(runs)
}

const nativeBuilds = new Map()
let lastBuild = Promise.resolve()
let foreignPeers

/** The build of peers of other libp2p, in line with those below. */
function foreign() {
  if (foreignPeers === undefined) {
    const build = lastBuild.then(() => buildForeignPeers(full ? undefined : ['go-libp2p']))
    foreignPeers = build
    // its suites tell
    lastBuild = build.catch(() => {})
  }
  return foreignPeers
}

/** The build of native tests: one after the other, each once, however many suites want it. */
function native(sanitizer) {
  let build = nativeBuilds.get(sanitizer)
  if (build === undefined) {
    // Node cannot host ThreadSanitizer: QUIC has it with an OpenSSL of its own, which takes minutes to build
    const needsOpenSsl = full && sanitizer === 'thread'
    build = lastBuild.then(async () =>
      buildNative(sanitizer, needsOpenSsl ? await buildOpenSsl() : '')
    )
    nativeBuilds.set(sanitizer, build)
    // its suites tell
    lastBuild = build.catch(() => {})
  }
  return build
}

async function ctest(sanitizer) {
  const dir = await native(sanitizer)
  const { code, text } = await capture('ctest', [
    '--test-dir',
    dir,
    '--output-on-failure',
    ...['--timeout', '600', '--parallel', String(os.availableParallelism())]
  ])
  const [, failed, total] = text.match(/(\d+) tests failed out of (\d+)/) ?? []
  if (total === undefined || Number(total) === 0) {
    throw new Failure(`ctest ran no test in ${dir}`)
  }
  if (code !== 0) {
    const at = text.lastIndexOf('The following tests FAILED')
    failures.push(`ctest ${dir}: ${at < 0 ? `exit code ${code}` : text.slice(at).trim()}`)
  }
  add({
    passed: Number(total) - Number(failed),
    failed: code === 0 ? 0 : Math.max(1, Number(failed))
  })
}

async function mocha(node) {
  const specs = files(['test/compliance'], name => name.endsWith('.spec.mjs'))
  const { code, text } = await capture(
    node,
    [
      path.join(root, 'node_modules/mocha/bin/mocha.js'),
      ...['--timeout', '60000', '--exit', '--reporter', 'spec'],
      ...specs
    ],
    {
      env: {
        ...testEnv,
        ...strict,
        // minutes of CPU each: what is no package of ours runs on the pinned Node alone, but at full counts
        ...(!full && node !== bin('node') && { XTP_TEST_PACKAGES: '1' })
      },
      late: true
    }
  )
  console.log(`that was the compliance suite on node ${output(node, ['--version'])}`)
  const count = word => Number(text.match(new RegExp(`^\\s*(\\d+) ${word}`, 'm'))?.[1] ?? 0)
  const failed = count('failing')
  if (code !== 0) {
    const list = text.slice(Math.max(0, text.search(/^\s*\d+ failing/m)))
    failures.push(`mocha: ${list.trim().split('\n').slice(0, FAILURE_LINES).join('\n')}`)
  }
  add({
    passed: count('passing'),
    failed: code === 0 ? failed : Math.max(1, failed),
    skipped: count('pending')
  })
}

/** The tests with real services once more, the addon built with ASan and UBSan. */
async function sanitized() {
  const dir = await native('address')
  const reports = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-asan-'))
  await services(['transfer', 'crash', 'fuzz'], {
    extraEnv: {
      TEST_TIER: 'sanitized',
      XTP_TEST_ADDONS: path.join(root, dir, 'native'),
      XTP_TEST_PRELOAD: `${output('g++', ['-print-file-name=libasan.so'])}:${output('g++', ['-print-file-name=libubsan.so'])}`,
      // node itself frees little at its end: leaks are looked for in the native tests
      XTP_TEST_SANITIZER_OPTIONS: `detect_leaks=0:halt_on_error=1:abort_on_error=1:log_path=${reports}/report`
    }
  })
  const found = fs.readdirSync(reports)
  for (const name of found) {
    console.error(fs.readFileSync(path.join(reports, name), 'utf8').slice(0, 8000))
  }
  fs.rmSync(reports, { recursive: true })
  if (found.length > 0) {
    throw new Failure(`${found.length} sanitizer reports`)
  }
}

let packageTests

/** The tests of what is published, once. */
function packages() {
  packageTests ??= nodeTest(testFiles('test/package'), { source: false, late: true })
  return packageTests
}

let machineTests

/** What needs another kernel, and at full counts another processor, in virtual machines; once. */
function machines() {
  machineTests ??= (async () => {
    const missing = machineMissing()
    if (missing !== undefined && process.env.XTP_SANDBOX_MUST_WORK !== '1') {
      console.log(`skipped: tests in a virtual machine. ${missing}`)
      add({ passed: 0, failed: 0, skipped: 1 })
      return
    }
    const tests = full ? MACHINE_TESTS.full : MACHINE_TESTS.short
    for (const [arch, names] of Object.entries(tests)) {
      const variables = { TEST_TIER: full ? 'again' : 'short' }
      addReported(await testInMachine(arch, names, { variables, late: only === undefined }))
      console.log(`that was a virtual machine (${arch})`)
    }
  })()
  return machineTests
}

const suites = {
  lint: () => lint(),
  unit: () => nodeTest(testFiles('src'), { concurrency: LANES }),
  conformance: () => nodeTest(testFiles('test/conformance')),
  compliance: async () => {
    await Promise.all(runtimes().map(mocha))
  },
  integration: async () => {
    // hostile peers have an addon of the native tests
    await Promise.all([native(''), foreign()])
    const dirs = [
      ...['transfer', 'crash', 'fuzz', 'interop', 'layout', 'errors', 'hostile', 'networks'],
      'template'
    ]
    await services(dirs, { extraEnv: strict })
  },
  sandbox: async () => {
    // the enemy inside is an addon of the native tests
    await native('')
    await nodeTest(testFiles('test/sandbox'), { source: false, concurrency: LANES })
  },
  strict: async () => {
    await Promise.all([native(''), full && foreign()])
    // V8 and libuv make other system calls in each version; the pinned one has the suite above
    const dirs = ['transfer', 'crash', ...(full ? ['errors', 'fuzz', 'interop', 'hostile'] : [])]
    const others = runtimes().filter(node => node !== bin('node'))
    await repeats(others, async node => {
      await services(dirs, {
        node,
        concurrency: full ? LANES : 1,
        extraEnv: { ...strict, ...again },
        late: !full
      })
      console.log(`that was node ${output(node, ['--version'])}, killed for unlisted calls`)
    })
  },
  levels: async () => {
    await buildNative('')
    await repeats(['L0', 'L2'], async level => {
      await services(['transfer', 'crash', 'errors'], {
        extraEnv: { ...strict, ...again, XTP_TEST_SANDBOX_LEVEL: level },
        late: !full
      })
      console.log(`that was the sandbox level ${level}`)
    })
  },
  // their builds go on while those before them wait
  native: () => ctest(''),
  instructions: async () => {
    await native('')
    if (only === undefined) {
      // one process each, and neither measures time; its suite tells
      packages().catch(() => {})
      machines().catch(() => {})
    }
    add({ passed: await instructions(), failed: 0 })
  },
  asan: () => ctest('address'),
  tsan: () => ctest('thread'),
  static: async () => {
    const old = oldOpenSslRuntime()
    const run = (names, node) =>
      nodeTest(names, { node, source: false, extraEnv: { ...strict, ...again } })
    await run(['test/static/without.test.ts'], old)
    if (full) {
      await buildStaticQuic()
    }
    const missing = staticQuicMissing()
    if (missing !== undefined) {
      console.log(`skipped: the addon of xtp-quic with its own OpenSSL. ${missing}`)
      add({ passed: 0, failed: 0, skipped: 1 })
      return
    }
    for (const node of [old, ...runtimes()]) {
      await run(['test/static/with.test.ts'], node)
    }
    await run(['test/transfer/quic.test.ts', 'test/interop/quinn.test.ts'], old)
  },
  machines: async () => {
    await native('')
    await machines()
  },
  sanitized: () => sanitized(),
  package: () => packages()
}

await main(async () => {
  if (process.argv.includes('--list')) {
    console.log(Object.keys(suites).join('\n'))
    return
  }
  for (const name of only ?? []) {
    if (!(name in suites)) {
      throw new Failure(`no suite ${name}: use ${Object.keys(suites).join(', ')}`)
    }
  }
  const start = Date.now()
  await build()
  await ensureRuntimes()
  await ensureTemplate()
  await ensurePeers()
  await run(bin('node'), ['test/support/counts.ts'], { env: testEnv })
  // while the suites that follow wait, with what is left of the machine
  if (only === undefined || only.includes('integration')) {
    foreign()
  }
  for (const [sanitizer, wanting] of [
    ['', ['integration', 'sandbox', 'native', 'instructions', 'machines', 'strict']],
    ['address', ['asan', 'sanitized']],
    ['thread', ['tsan']]
  ]) {
    if (only === undefined || wanting.some(name => only.includes(name))) {
      native(sanitizer)
    }
  }
  const times = []
  for (const [name, suite] of Object.entries(suites)) {
    if (only !== undefined && !only.includes(name)) {
      continue
    }
    const begin = Date.now()
    console.log(`\n── ${name} ${'─'.repeat(70 - name.length)}`)
    try {
      await suite()
    } catch (error) {
      if (!(error instanceof Failure)) {
        throw error
      }
      console.error(`${name}: ${error.message}`)
      failures.push(`${name}: ${error.message}`)
      add({ passed: 0, failed: 1 })
    }
    times.push(`${name} ${((Date.now() - begin) / 1000).toFixed(0)} s`)
  }
  for (const failure of failures) {
    console.log(`\nfailed: ${failure}`)
  }
  console.log(`\n${times.join(', ')}; in all ${((Date.now() - start) / 60000).toFixed(1)} min`)
  console.log(`counts: ${full ? 'full' : 'short'} (npm run test:full runs the full ones)`)
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
  if (totals.failed > 0 || totals.passed === 0) {
    process.exitCode = 1
  }
})
