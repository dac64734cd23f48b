// What a service finds in its environment: no PATH, HOME, NODE_OPTIONS or credentials. It needs none of
// them, and may be taken over.

/** TZ, and what was configured to be added. */
export function cleanEnvironment(added: Record<string, string> = {}): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    const wanted =
      name === 'TZ' ||
      // node does not start without it
      (process.platform === 'win32' && name.toUpperCase() === 'SYSTEMROOT')
    if (wanted && value !== undefined) {
      env[name] = value
    }
  }
  return { ...env, ...added }
}
