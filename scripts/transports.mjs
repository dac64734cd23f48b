// The transport packages of this repository, and the vendored library that each is made of.
import fs from 'node:fs'
import path from 'node:path'

const ALL = { 'xtp-utp': 'libutp', 'xtp-quic': 'libquic', 'xtp-udt': 'libudt' }
const HERE = `${process.platform}-${process.arch}`
const vendor = path.resolve(import.meta.dirname, '../vendor')

/** Undefined, or why a library cannot be had on this platform, as its recipe has it. */
export function missingHere({ platforms = [HERE] }, library) {
  return platforms.includes(HERE)
    ? undefined
    : `${library} is there for ${platforms.join(', ')} only, not for ${HERE}: see vendor/${library}/README.md`
}

/** Those that can be built on this platform. */
export const TRANSPORTS = Object.fromEntries(
  Object.entries(ALL).filter(([name, library]) => {
    const recipe = fs.readFileSync(path.join(vendor, library, 'recipe.json'), 'utf8')
    const reason = missingHere(JSON.parse(recipe), library)
    if (reason !== undefined) {
      console.warn(`${name} is left out: ${reason}`)
    }
    return reason === undefined
  })
)
