// What the services of the packages tell runService about themselves, for services of tests. Child side only.
import { CAPABILITY } from 'xtp/service'

const { DIAL, LISTEN, HALF_CLOSE, NATIVE_MUX, NATIVE_SECURITY } = CAPABILITY

export const SERVICE_KINDS = {
  utp: { name: 'utp', suffix: '/utp', suffixCode: 302, capabilities: DIAL | LISTEN | HALF_CLOSE },
  udt: { name: 'udt', suffix: '/udt', suffixCode: 301, capabilities: DIAL | LISTEN | HALF_CLOSE },
  quic: {
    name: 'quic',
    suffix: '/quic-v1',
    suffixCode: 461,
    capabilities: DIAL | LISTEN | HALF_CLOSE | NATIVE_MUX | NATIVE_SECURITY
  }
}

export type ServiceKind = keyof typeof SERVICE_KINDS
