// Small garbage collections in time, where the application wants them.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { type: 'minor'; execution: 'sync' }) => void

let collect: Collect | undefined

/**
 * Gives a function that is told of received bytes, and runs a minor collection each time that
 * `everyBytes` have come together.
 */
export function createScavenger(everyBytes: number): (bytes: number) => void {
  if (collect === undefined) {
    // the flag concerns contexts that are made from now on: of those, this one only
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as Collect
  }
  const gc = collect
  let received = 0
  return bytes => {
    received += bytes
    if (received >= everyBytes) {
      received = 0
      gc({ type: 'minor', execution: 'sync' })
    }
  }
}
