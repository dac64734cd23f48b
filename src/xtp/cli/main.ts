#!/usr/bin/env node
// The program `xtp`.
import { parseArgs } from 'node:util'
import { VERSION } from '../client/version.ts'
import { doctor } from './doctor.ts'

const HELP = `Usage: xtp doctor [--json]

  doctor      what this machine has for XTP: Node, kernel, sandbox levels, transport
              packages, and which sandbox services get here. Starts the service of each
              transport package that is installed in the current directory.
    --json    the same as one JSON object

  --help      this text
  --version   version of the package xtp

Exit code: 0 where the sandbox is at least L2, or the platform has none to offer, and every
service that was tried has started; 1 otherwise; 2 for a wrong argument.
`
const EXIT_USAGE = 2

async function main(): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (error) {
    process.stderr.write(`xtp: ${(error as Error).message}\n\n${HELP}`)
    return EXIT_USAGE
  }
  const { values, positionals } = parsed
  if (values.version) {
    process.stdout.write(`${VERSION}\n`)
    return 0
  }
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (positionals.length === 1 && positionals[0] === 'doctor') {
    return doctor({ json: values.json })
  }
  const what = positionals.length === 0 ? 'no command' : `unknown command: ${positionals.join(' ')}`
  process.stderr.write(`xtp: ${what}\n\n${HELP}`)
  return EXIT_USAGE
}

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', short: 'v', default: false }
    }
  })
}

process.exitCode = await main()
