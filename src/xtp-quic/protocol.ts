/** What both processes know of this transport: `/quic-v1` is multicodec `quic-v1`, 0x01cd. */
export const PROTOCOL = {
  name: 'quic',
  packageName: 'xtp-quic',
  /** Of this package; a test compares it with package.json. */
  version: '0.1.0',
  suffix: '/quic-v1',
  multiaddrCode: 461,
  native: true
} as const
