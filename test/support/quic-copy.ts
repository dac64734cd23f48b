// A copy of the built package xtp-quic with only some of its addons.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as XtpQuic from 'xtp-quic'

const ROOT = path.resolve(import.meta.dirname, '../..')
const PACKAGE = path.join(ROOT, 'src/xtp-quic')

export interface QuicCopy {
  dir: string
  quic: typeof XtpQuic.quic
  remove(): void
}

/** `addons`: which of `prebuilds` (with the OpenSSL of Node) and `static` (with its own) it has. */
export async function copyQuic(addons: Array<'prebuilds' | 'static'>): Promise<QuicCopy> {
  // inside the workspace, where its dependencies are found
  fs.mkdirSync(path.join(ROOT, 'build'), { recursive: true })
  const dir = fs.mkdtempSync(path.join(ROOT, 'build/xtp-quic-'))
  // root's services are another user
  fs.chmodSync(dir, 0o755)
  for (const name of ['package.json', 'dist', ...addons]) {
    fs.cpSync(path.join(PACKAGE, name), path.join(dir, name), { recursive: true })
  }
  const { quic }: typeof XtpQuic = await import(pathToFileURL(path.join(dir, 'dist/index.js')).href)
  return { dir, quic, remove: () => fs.rmSync(dir, { recursive: true }) }
}
