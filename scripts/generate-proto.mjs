// Generates src/xtp/ctl/proto/xtp-ctl.{js,d.ts} from spec/xtp-ctl.proto. The output is committed, so
// that sources run without a build; `--check` fails where it is not what the schema gives.
// Plain JavaScript and declarations, because what protons writes (namespaces) is not erasable syntax.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const out = path.join(root, 'src/xtp/ctl/proto')
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-proto-'))

try {
  const bin = name => path.join(root, 'node_modules/.bin', name)
  execFileSync(bin('node'), [bin('protons'), '-o', work, path.join(root, 'spec/xtp-ctl.proto')], {
    stdio: 'inherit'
  })
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(work, 'node_modules'))
  fs.writeFileSync(path.join(work, 'package.json'), '{"type":"module"}')
  const flags =
    '--target es2023 --module nodenext --declaration --skipLibCheck --types node --ignoreConfig'
  execFileSync(bin('tsc'), [...flags.split(' '), '--outDir', work, path.join(work, 'xtp-ctl.ts')], {
    stdio: 'inherit'
  })
  fs.mkdirSync(out, { recursive: true })
  for (const name of ['xtp-ctl.js', 'xtp-ctl.d.ts']) {
    const generated = fs
      .readFileSync(path.join(work, name), 'utf8')
      // write-uint64.js says why
      .replaceAll(/\bw\.uint64\(/g, 'writeUint64(w, ')
      .replace(/^(?=export var Frame;)/m, "import { writeUint64 } from './write-uint64.js';\n")
    const text = `// Generated from spec/xtp-ctl.proto by scripts/generate-proto.mjs. Do not edit.\n${generated}`
    const file = path.join(out, name)
    if (process.argv.includes('--check')) {
      if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) {
        throw new Error(`${path.relative(root, file)} is stale: run npm run generate`)
      }
    } else {
      fs.writeFileSync(file, text)
    }
  }
} finally {
  fs.rmSync(work, { recursive: true, force: true })
}
