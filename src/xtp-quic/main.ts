// Program of the QUIC service. Bundled into dist/service.js, the one file that the child runs.
import path from 'node:path'
import { CAPABILITY, runService } from 'xtp/service'
import { loadAddon } from './addon.ts'
import { QUIC_CODE, QUIC_SUFFIX } from './protocol.ts'
import { VERSION } from './version.ts'

runService({
  name: 'quic',
  implementation: `xtp-quic/${VERSION}`,
  suffix: QUIC_SUFFIX,
  suffixCode: QUIC_CODE,
  capabilities:
    CAPABILITY.DIAL |
    CAPABILITY.LISTEN |
    CAPABILITY.NATIVE_MUX |
    CAPABILITY.NATIVE_SECURITY |
    CAPABILITY.HALF_CLOSE,
  loadBinding: () => loadAddon(path.join(import.meta.dirname, '..'))
})
