// Where the service program of a transport package is.
import { fileURLToPath } from 'node:url'

/**
 * Absolute path of the bundled `dist/service.cjs` of the package whose `index` has this `import.meta.url`. The
 * sources run without a build of their own, but the service is always the bundled file.
 */
export function serviceFile(indexUrl: string): string {
  const entry = indexUrl.endsWith('.ts') ? './dist/service.cjs' : './service.cjs'
  return fileURLToPath(new URL(entry, indexUrl))
}
