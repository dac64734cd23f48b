// A service for the tests of runners: node and one file, echoes its data link and obeys words on its
// control link.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after } from 'node:test'
import type { ExitInfo, Incarnation, LinkHandler } from '../runner.ts'

const SOURCE = `
import { Socket } from 'node:net'
import fs from 'node:fs'
const [control, data] = [3, 4].map(fd => new Socket({ fd }))
for (const socket of [control, data]) {
  socket.on('error', () => process.exit(0))
  socket.on('end', () => process.exit(0))
}
data.on('data', chunk => data.write(chunk))
const orders = {
  env: () => JSON.stringify(process.env),
  who: () => process.getuid() + ':' + process.getgid() + ' ' + process.cwd(),
  read: file => { try { return String(fs.readFileSync(file).length) } catch (e) { return e.code } },
  exit: code => process.exit(Number(code)),
  signal: name => process.kill(process.pid, name),
  hang: () => { for (;;); },
  say: text => { console.log('out ' + text); console.error('err ' + text); return 'said' }
}
control.on('data', chunk => {
  const [word, argument] = String(chunk).trim().split(' ')
  control.write(orders[word](argument) + '\\n')
})
control.write('ready\\n')
`

/** Writes the program where every user can read it; removed after the tests of the file. */
export function placeEchoService(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-runner-'))
  fs.chmodSync(dir, 0o755)
  after(() => fs.rmSync(dir, { recursive: true }))
  fs.mkdirSync(path.join(dir, 'dist'))
  const file = path.join(dir, 'dist/service.mjs')
  fs.writeFileSync(file, SOURCE)
  return file
}

/** The other end of one link. */
class Talk implements LinkHandler {
  text = ''
  readonly ended = Promise.withResolvers<Error | undefined>()
  #wake: () => void = () => {}

  onData(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes).toString()
    this.#wake()
  }

  onDrain(): void {}

  onEnd(error?: Error): void {
    this.ended.resolve(error)
    this.#wake()
  }

  /** Waits until this much has come, and takes it. */
  async take(until: (text: string) => boolean): Promise<string> {
    let isOver = false
    this.ended.promise.then(() => {
      isOver = true
    })
    while (!until(this.text)) {
      if (isOver) {
        throw new Error(`the link ended after "${this.text}"`)
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const { text } = this
    this.text = ''
    return text
  }
}

export class EchoClient {
  readonly incarnation: Incarnation
  readonly control = new Talk()
  readonly data = new Talk()

  constructor(incarnation: Incarnation) {
    this.incarnation = incarnation
    incarnation.control.attach(this.control)
    incarnation.data.attach(this.data)
  }

  async ready(): Promise<void> {
    await this.control.take(text => text.endsWith('ready\n'))
  }

  async order(words: string): Promise<string> {
    this.incarnation.control.sink.write(Buffer.from(`${words}\n`))
    return (await this.control.take(text => text.endsWith('\n'))).trim()
  }

  async echo(text: string): Promise<string> {
    this.incarnation.data.sink.write(Buffer.from(text))
    return this.data.take(got => got.length >= text.length)
  }

  async end(): Promise<ExitInfo> {
    this.incarnation.kill('SIGKILL')
    return this.incarnation.exited
  }
}
