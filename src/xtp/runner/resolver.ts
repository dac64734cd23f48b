// Names are resolved in the parent: a service in its box could not.
import { lookup } from 'node:dns/promises'

/**
 * Turns a host name into IP addresses, the preferred one first. `family` 0 means either.
 * The caller stops waiting when its signal aborts; the lookup may go on behind it.
 */
export type Resolver = (host: string, family: 0 | 4 | 6) => Promise<string[]>

/** The system's own resolver, with its hosts file and its order. */
export const systemResolver: Resolver = async (host, family) => {
  const found = await lookup(host, { family, all: true, order: 'verbatim' })
  return found.map(({ address }) => address)
}
