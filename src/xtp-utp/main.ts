// Program of the uTP service. Bundled into dist/service.cjs, the one file that the child runs.
import { runTransport } from 'xtp/service'
import { PROTOCOL } from './protocol.ts'

runTransport({ ...PROTOCOL, url: import.meta.url })
