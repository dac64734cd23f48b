// Whether the addon of xtp-quic was built. Plain JavaScript: the compliance suite runs on every Node.
import fs from 'node:fs'
import path from 'node:path'

const PACKAGE = path.resolve(import.meta.dirname, '../../src/xtp-quic')

/** Why tests of QUIC cannot run here; undefined: they can. */
export function quicAddonMissing() {
  const platform = `${process.platform}-${process.arch}`
  const places = ['prebuilds', 'static/prebuilds'].map(dir => path.join(PACKAGE, dir, platform))
  const found = places.some(
    dir => fs.existsSync(dir) && fs.readdirSync(dir).some(name => name.endsWith('.node'))
  )
  return found ? undefined : `there is no addon in ${places.join(' or ')}: run npm run build`
}
