// The price of isolation: a runner that runs the service of a transport inside the application, without
// process and sandbox. The same client, control protocol, data link, addon and I/O thread; what is
// left out is the process alone.
import net, { type Socket } from 'node:net'
import type { Incarnation, Runner, StartRequest } from 'xtp'
import { SlabLink } from '../../src/xtp/runner/slab-link.ts'
import { serviceOf, type TransportProgram } from '../../src/xtp/service/run-transport.ts'
import { Service, type ServiceDefinition } from '../../src/xtp/service/service.ts'

/** The service's end of a new link, and the name to connect to for the client's end. */
async function acceptOn(name: string): Promise<{ link: SlabLink; fd: number }> {
  const server = net.createServer({ pauseOnConnect: true })
  await new Promise<void>(resolve => server.listen(name, resolve))
  const accepted = new Promise<Socket>(resolve => server.once('connection', resolve))
  const link = new SlabLink(name, new Uint8Array(0))
  const socket = await accepted
  server.close()
  // never read by Node: the service makes its own use of the descriptor, as of one it was started with
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
  kept.push(socket)
  return { link, fd }
}

/** A collected socket would close its descriptor. */
const kept: Socket[] = []

export class InProcessRunner implements Runner {
  readonly name = 'in-process'
  readonly #definition: ServiceDefinition

  /** @param program - its `url` is left out: that of the package is found by its name */
  constructor(program: Omit<TransportProgram, 'url'>) {
    const { href } = new URL(`../../src/${program.packageName}/dist/service.cjs`, import.meta.url)
    this.#definition = serviceOf({ ...program, url: href })
  }

  async start(_request: StartRequest): Promise<Incarnation> {
    const { promise: exited, resolve: onExit } = Promise.withResolvers<{ exitCode: number }>()
    const name = `\0xtp-bench-${process.pid}-${performance.now()}`
    const [control, data] = await Promise.all([acceptOn(`${name}-c`), acceptOn(`${name}-d`)])
    const service = new Service(this.#definition, {
      controlFd: control.fd,
      dataFd: data.fd,
      onExit: exitCode => onExit({ exitCode })
    })
    return {
      pid: process.pid,
      sandbox: { level: 'L0', reason: 'in the application itself, for comparison' },
      control: control.link,
      data: data.link,
      exited,
      logTail: [],
      kill: () => service.exit(0)
    }
  }

  diagnose(): undefined {
    return undefined
  }

  async close(): Promise<void> {}
}
