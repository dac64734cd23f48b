// What all benchmarks share: processes that answer with a line of JSON, medians, tables, reports.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

/** Starts a program of this folder. It ends when its stdin does. */
export function start(program: string, args: string[]): ChildProcess {
  return spawn(process.execPath, [path.join(import.meta.dirname, program), ...args], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
}

export async function firstLine<T>(child: ChildProcess): Promise<T> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const line = await Promise.race([
    once(lines, 'line').then(([text]) => text as string),
    once(child, 'exit').then(([code, signal]) => {
      throw new Error(`a benchmark process ended with ${code ?? signal}`)
    })
  ])
  return JSON.parse(line) as T
}

/** Ends processes in order, and waits until they are gone. */
export async function end(...children: Array<ChildProcess | undefined>): Promise<void> {
  for (const child of children) {
    child?.stdin?.end()
  }
  await Promise.all(
    children.map(
      child => child && child.exitCode === null && child.signalCode === null && once(child, 'exit')
    )
  )
}

/** The value below which `share` (0 to 1) of the numbers lie. */
export function percentile(numbers: number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number
}

export const median = (numbers: number[]) => percentile(numbers, 0.5)

export function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

export const machine = {
  cpu: os.cpus()[0]?.model,
  cores: os.cpus().length,
  kernel: os.release(),
  node: process.version
}

export function machineLine(): string {
  const { cores, cpu, kernel, node } = machine
  return `${cores} × ${cpu}, Linux ${kernel}, Node ${node}`
}

const FOLDER = path.join(import.meta.dirname, 'report')

/** Writes bench/report/NAME.json. */
export function saveReport(name: string, report: object): void {
  saveText(`${name}.json`, `${JSON.stringify(report, null, 2)}\n`)
}

/** Writes a file of bench/report. */
export function saveText(file: string, text: string): void {
  fs.mkdirSync(FOLDER, { recursive: true })
  fs.writeFileSync(path.join(FOLDER, file), text)
}

/** What another program left in bench/report, or nothing. */
export function readReport<T>(name: string): T | undefined {
  const file = path.join(FOLDER, `${name}.json`)
  return fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as T) : undefined
}
