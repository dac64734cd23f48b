// The worked example of spec/xtp-ctl.md: a real session between the two ends of this code, every byte
// of it recorded. A listener, one inbound connection with data both ways, its end, and a shutdown.
import { multiaddr } from '@multiformats/multiaddr'
import {
  CONTROL_PROTOCOL,
  ControlSession,
  DATA_PROTOCOL,
  Mux,
  type MuxStream,
  type MuxStreamHandler,
  Negotiation,
  type ReplyBody
} from 'xtp/ctl'
import { ManualClock } from '../../src/xtp/ctl/testing/manual-clock.ts'
import { toHex } from './vector-json.ts'

export interface ExampleStep {
  link: 'control' | 'data'
  from: 'client' | 'service'
  what: string
  hex: string
}

const LISTEN_ADDR = multiaddr('/ip4/127.0.0.1/udp/0/utp').bytes
const LOCAL_ADDR = multiaddr('/ip4/127.0.0.1/udp/4001/utp').bytes
const REMOTE_ADDR = multiaddr('/ip4/192.0.2.7/udp/6881/utp').bytes

class Recorder {
  readonly steps: ExampleStep[] = []
  /** Bytes of each sender that have not been described and delivered yet. */
  #pending = new Map<string, Uint8Array[]>()

  sender(link: ExampleStep['link'], from: ExampleStep['from']): (bytes: Uint8Array) => void {
    const chunks: Uint8Array[] = []
    this.#pending.set(`${link} ${from}`, chunks)
    return bytes => chunks.push(bytes)
  }

  /** Writes down what was sent, and gives it back for the other end. */
  take(link: ExampleStep['link'], from: ExampleStep['from'], what: string): Uint8Array {
    const bytes = Buffer.concat(this.#pending.get(`${link} ${from}`)?.splice(0) ?? [])
    if (bytes.byteLength === 0) throw new Error(`nothing was sent: ${what}`)
    this.steps.push({ link, from, what, hex: toHex(bytes) })
    return new Uint8Array(bytes)
  }
}

function handler(received: Uint8Array[]): MuxStreamHandler {
  return { onData: bytes => received.push(bytes), onEnd() {}, onReset() {}, onDrain() {} }
}

function sink(write: (bytes: Uint8Array) => void) {
  return { write, cork() {}, uncork() {}, writableLength: 0 }
}

async function turn(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

export async function exampleSession(): Promise<ExampleStep[]> {
  const recorder = new Recorder()
  const clock = new ManualClock()
  const answers = new Map<string, ReplyBody>([
    [
      'hello',
      {
        hello: {
          implementation: 'xtp-utp/0.1.0',
          features: [],
          options: [],
          limits: { maxFrameBytes: 0, maxRequests: 0, maxConnections: 3_000, maxListeners: 16 },
          transports: [{ name: 'utp', protocols: [302], capabilities: 1 | 2 | 16 }],
          pid: 4_242
        }
      }
    ],
    ['listen', { listening: { addr: LOCAL_ADDR } }],
    ['shutdown', {}]
  ])
  const clientSends = recorder.sender('control', 'client')
  const serviceSends = recorder.sender('control', 'service')
  const client = new ControlSession({
    role: 'client',
    clock,
    send: clientSends,
    onRequest: () => Promise.reject(new Error('not asked')),
    onEvent() {}
  })
  const service = new ControlSession({
    role: 'service',
    clock,
    send: serviceSends,
    onRequest: async body => answers.get(Object.keys(body)[0] as string) as ReplyBody,
    onEvent() {}
  })

  // Both links: proposals first; Hello goes out right behind, without waiting.
  const clientData = recorder.sender('data', 'client')
  const serviceData = recorder.sender('data', 'service')
  const initiators = [CONTROL_PROTOCOL, DATA_PROTOCOL].map(
    protocol => new Negotiation({ role: 'initiator', protocols: [protocol] })
  ) as [Negotiation, Negotiation]
  const responders = [CONTROL_PROTOCOL, DATA_PROTOCOL].map(
    protocol => new Negotiation({ role: 'responder', protocols: [protocol] })
  ) as [Negotiation, Negotiation]
  clientSends(initiators[0].start())
  let bytes = recorder.take('control', 'client', 'proposes `/xtp-ctl/1.0.0`')
  serviceSends(responders[0].push(bytes).send as Uint8Array)
  const hello = client.request({
    hello: {
      implementation: 'xtp/0.1.0',
      features: [],
      options: [{ key: 'connect_timeout', value: '30000' }],
      transports: [],
      pid: 0
    }
  })
  const greeting = recorder.take('control', 'client', 'request 1, Hello, without waiting')
  clientData(initiators[1].start())
  bytes = recorder.take('data', 'client', 'proposes `/yamux/1.0.0`')
  serviceData(responders[1].push(bytes).send as Uint8Array)
  bytes = recorder.take('data', 'service', 'agrees')
  initiators[1].push(bytes)
  bytes = recorder.take('control', 'service', 'agrees')
  initiators[0].push(bytes)
  service.receive(greeting)
  await turn()
  client.receive(recorder.take('control', 'service', 'answer 1, Hello: the service is ready'))
  await hello

  const listening = client.request({ listen: { listenerId: 1, addr: LISTEN_ADDR, accept: 128 } })
  service.receive(
    recorder.take('control', 'client', 'request 2, Listen on `/ip4/127.0.0.1/udp/0/utp`')
  )
  await turn()
  client.receive(
    recorder.take('control', 'service', 'answer 2, Listening on `/ip4/127.0.0.1/udp/4001/utp`')
  )
  await listening

  const received = { client: [] as Uint8Array[], service: [] as Uint8Array[] }
  let accepted: MuxStream | undefined
  const clientMux = new Mux({
    role: 'client',
    sink: sink(clientData),
    onStream: stream => {
      accepted = stream
      stream.handler = handler(received.client)
    }
  })
  const serviceMux = new Mux({ role: 'server', sink: sink(serviceData), onStream() {} })
  service.event({
    incoming: { connId: 2, listenerId: 1, localAddr: LOCAL_ADDR, remoteAddr: REMOTE_ADDR }
  })
  const opened = serviceMux.open({ connId: 2, kind: 0 }, handler(received.service))
  opened.write(Buffer.from('ping'))
  await turn()
  clientMux.receive(
    recorder.take(
      'data',
      'service',
      'stream 2: SYN and 768 KiB more credit; StreamHeader, connection 2; `ping`'
    )
  )
  client.receive(recorder.take('control', 'service', 'event Incoming, connection 2'))
  accepted?.write(Buffer.from('pong'))
  accepted?.end()
  await turn()
  serviceMux.receive(
    recorder.take('data', 'client', 'stream 2: ACK and 768 KiB more credit; `pong`; FIN')
  )
  opened.end()
  await turn()
  clientMux.receive(recorder.take('data', 'service', 'stream 2: FIN; the stream is over'))
  const status = { code: 23, message: '', errno: '', retryable: false }
  service.event({ closed: { connId: 2, status, bytesIn: 4n, bytesOut: 4n } })
  client.receive(
    recorder.take('control', 'service', 'event Closed, connection 2, CONNECTION_CLOSED')
  )
  client.event({ accept: { listenerId: 1, count: 1 } })
  service.receive(recorder.take('control', 'client', 'event Accept: one more'))

  const shutdown = client.request({ shutdown: {} })
  service.receive(recorder.take('control', 'client', 'request 3, Shutdown'))
  await turn()
  client.receive(recorder.take('control', 'service', 'answer 3; the service exits'))
  await shutdown
  if (Buffer.concat(received.client).toString() !== 'ping') throw new Error('ping was lost')
  if (Buffer.concat(received.service).toString() !== 'pong') throw new Error('pong was lost')
  return recorder.steps
}
