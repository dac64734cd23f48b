// Program of the uTP service. Bundled into dist/service.js, the one file that the child runs.
import path from 'node:path'
import { CAPABILITY, runService } from 'xtp/service'
import { loadAddon } from './addon.ts'
import { UTP_CODE, UTP_SUFFIX } from './protocol.ts'
import { VERSION } from './version.ts'

runService({
  name: 'utp',
  implementation: `xtp-utp/${VERSION}`,
  suffix: UTP_SUFFIX,
  suffixCode: UTP_CODE,
  capabilities: CAPABILITY.DIAL | CAPABILITY.LISTEN | CAPABILITY.HALF_CLOSE,
  loadBinding: () => loadAddon(path.join(import.meta.dirname, '..'))
})
