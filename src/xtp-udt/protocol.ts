/** What both processes know of this transport: `/udt` is multicodec `udt`, 0x012d. */
export const PROTOCOL = {
  name: 'udt',
  packageName: 'xtp-udt',
  /** Of this package; a test compares it with package.json. */
  version: '0.1.0',
  suffix: '/udt',
  multiaddrCode: 301
} as const
