// Writes spec/vectors, and the example in spec/xtp-ctl.md:
//   node -C xtp:source test/conformance/generate-vectors.ts
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { exampleText, SPEC, withExample } from './spec-example.ts'
import { VECTORS, vectorFiles } from './vectors.ts'

fs.mkdirSync(VECTORS, { recursive: true })
for (const [name, content] of await vectorFiles()) {
  const text = typeof content === 'string' ? content : JSON.stringify(content, null, 2)
  fs.writeFileSync(new URL(name, VECTORS), text)
}
const biome = new URL('../../node_modules/.bin/biome', import.meta.url)
execFileSync(fileURLToPath(biome), ['format', '--write', fileURLToPath(VECTORS)])
if (fs.existsSync(SPEC)) {
  fs.writeFileSync(SPEC, withExample(fs.readFileSync(SPEC, 'utf8'), await exampleText()))
}
