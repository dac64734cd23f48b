// npm run lint [-- --fix]: format and lint rules, generated files, README's figures, types.
import { readmeFigures } from './readme-figures.mjs'
import { bin, files, main, output, root, run } from './run.mjs'
import { ensureInstalled } from './setup.mjs'

const NATIVE = /\.(cc|h|c)$/

export async function lint({ fix = false } = {}) {
  await run(bin('biome'), ['check', '--error-on-warnings', ...(fix ? ['--write'] : []), '.'])
  const native = files(['native', 'bench', 'test', 'examples'], name => NATIVE.test(name))
  if (native.length > 0) {
    await run(bin('clang-format'), [...(fix ? ['-i'] : ['--dry-run', '--Werror']), ...native])
  }
  await run(process.execPath, ['scripts/generate-proto.mjs', ...(fix ? [] : ['--check'])])
  readmeFigures({ check: !fix })
  await run(bin('tsc'), ['--noEmit', '-p', 'tsconfig.json'])
}

if (process.argv[1] === import.meta.filename) {
  await main(async () => {
    await ensureInstalled()
    await lint({ fix: process.argv.includes('--fix') })
    console.log(`lint: clean (${output(bin('biome'), ['--version'], { cwd: root })})`)
  })
}
