// Builds xtp-jail (native/jail), and leaves it in src/xtp/prebuilds, from where the package `xtp`
// takes it. Linux only: on other systems there is nothing to build.
import fs from 'node:fs'
import path from 'node:path'
import { Failure, files, fingerprint, has, output, root, run, unlessFresh } from './run.mjs'

const DIR = 'build/jail'

export function jailFile() {
  return `src/xtp/prebuilds/${process.platform}-${process.arch}/xtp-jail`
}

function checkTools() {
  const compiler = process.env.CC ?? ['cc', 'gcc', 'clang'].find(has)
  const missing = []
  if (!has('cmake')) {
    missing.push('cmake (3.18 or newer)')
  }
  if (!has('make') && !has('ninja')) {
    missing.push('make or ninja')
  }
  if (compiler === undefined || !has(compiler)) {
    missing.push('a C11 compiler (gcc 9 or clang 10 or newer)')
  } else if (output(compiler, ['-print-file-name=libc.a']) === 'libc.a') {
    // a name that the compiler cannot find comes back as it was
    missing.push('the static C library (libc.a)')
  }
  if (missing.length > 0) {
    throw new Failure(
      `cannot build xtp-jail: ${missing.join(' and ')} not found.\n` +
        'On Debian and Ubuntu: apt install gcc libc6-dev make cmake. On Fedora: dnf install gcc ' +
        'glibc-static make cmake. On Alpine: apk add gcc musl-dev linux-headers make cmake.'
    )
  }
}

export async function buildJail() {
  if (process.platform !== 'linux') {
    return
  }
  const print = fingerprint(
    files(['native/jail', 'scripts/build-jail.mjs'], name => !name.endsWith('_test.cc'))
  )
  await unlessFresh('building xtp-jail', 'jail', print, [jailFile()], async () => {
    checkTools()
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
    await run('cmake', ['-S', 'native/jail', '-B', DIR, '-DCMAKE_BUILD_TYPE=Release'], quiet)
    await run('cmake', ['--build', DIR], quiet)
    const to = path.join(root, jailFile())
    // a program that runs cannot be overwritten, but removed
    fs.rmSync(to, { force: true })
    await run('cmake', ['--install', DIR, '--strip', '--prefix', path.dirname(to)], quiet)
  })
}
