// Program of the QUIC service. Bundled into dist/service.cjs, the one file that the child runs.
import { runTransport } from 'xtp/service'
import { loadQuicAddon } from './addon.ts'
import { PROTOCOL } from './protocol.ts'

runTransport({ ...PROTOCOL, url: import.meta.url, loadBinding: dir => loadQuicAddon(dir) })
