/** What both processes know of this transport: `/tcp` is multicodec `tcp`, 0x06, and the last of its addresses. */
export const PROTOCOL = {
  name: 'tcp',
  packageName: 'xtp-tcp',
  version: '0.1.0',
  portProtocol: 'tcp',
  suffix: '',
  multiaddrCode: 6
} as const
