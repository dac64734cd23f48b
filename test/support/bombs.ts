/** What native code of a service with an enemy inside does (native/attacks). Its settings are numbers: places in here. */
export const BOMBS = [
  'memory',
  'fork',
  'descriptors',
  'spin',
  'segv',
  'abort',
  'threads',
  'burn'
] as const
