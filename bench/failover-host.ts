// The application of the fail-over benchmark: `failover-host.ts LEVEL STANDBY` listens, and prints a line
// each time its service is ready. Ends with its stdin.
import { utpClient } from 'xtp-utp'
import type { Level } from './contestants.ts'

const [level = 'L0', standby = 'false'] = process.argv.slice(2)
const client = utpClient({
  sandbox: { level: level as Level },
  standby: standby === 'true',
  // for many kills in a row: no pause before a restart, so that the restart itself is what is measured
  restart: { initialDelayMs: 0, maxDelayMs: 0, budget: 1_000_000 }
})
const listener = client.createListener({
  onConnection: connection => connection.abort(new Error())
})
const say = () => {
  const port = Number(listener.getAddrs()[0]?.getComponents()[1]?.value)
  const { pid, sandbox } = client.status()
  process.stdout.write(`${JSON.stringify({ port, pid, level: sandbox?.level })}\n`)
}

await listener.listen('/ip4/127.0.0.1/udp/0/utp')
say()
// the listener is bound again by then
listener.addEventListener('listening', say)
client.addEventListener('service:failed', ({ detail }) => {
  console.error(detail)
  process.exit(1)
})
process.stdin.resume().on('end', () => {
  client.stop().then(() => process.exit(0))
})
