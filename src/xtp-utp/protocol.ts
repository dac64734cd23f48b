/** What both processes know of this transport: `/utp` is multicodec `utp`, 0x012e. */
export const PROTOCOL = {
  name: 'utp',
  packageName: 'xtp-utp',
  /** Of this package; a test compares it with package.json. */
  version: '0.1.0',
  suffix: '/utp',
  multiaddrCode: 302
} as const
