// The receiving process of the demo: a libp2p node that tells, as JSON lines on stdout, where it
// listens and what happens to its transport, which its argument names. Ends when its stdin ends.

import { FILE_PROTOCOL, receiveFile } from './file-protocol.ts'
import { createNode, LISTEN, type TransportName } from './node.ts'

const say = (message: object) => console.log(JSON.stringify(message))

const name = process.argv[2] as TransportName
const node = await createNode(name, [LISTEN[name], LISTEN.tcp])
await node.handle(FILE_PROTOCOL, receiveFile)

// the transports of a node are not public API: the demo looks at its own through the components
const { transportManager } = (node as unknown as { components: Components }).components
interface Components {
  transportManager: {
    getTransports(): object[]
    getListeners(): Array<EventTarget & { getAddrs(): Array<{ toString(): string }> }>
  }
}
interface WithStatus {
  status(): { state: string; pid?: number; restarts: number; lastError?: Error & { code?: string } }
}
const transport = transportManager
  .getTransports()
  .find((candidate): candidate is WithStatus => 'status' in candidate)

let last = ''
function tell() {
  const { state, pid, restarts, lastError } = transport?.status() ?? { state: 'none', restarts: 0 }
  const message = {
    state,
    pid,
    restarts,
    error: lastError && { name: lastError.name, code: lastError.code, message: lastError.message },
    addresses: transportManager.getListeners().flatMap(l => l.getAddrs().map(String))
  }
  const text = JSON.stringify(message)
  if (text !== last) {
    last = text
    say(message)
  }
}
tell()
const timer = setInterval(tell, 20)

process.stdin.resume()
process.stdin.on('end', async () => {
  clearInterval(timer)
  await node.stop()
})
