// Entry of a service program whose addon is in the package that it belongs to.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadAddon } from './addon.ts'
import type { Binding } from './binding.ts'
import { runService } from './run-service.ts'
import { CAPABILITY, type ServiceDefinition } from './service.ts'

/** What `protocol.ts` of a transport package has, and where the program is. */
export interface TransportProgram {
  /** Name of the transport, such as `utp`. */
  name: string
  /** Such as `xtp-utp`. */
  packageName: string
  version: string
  /** Whose port its multiaddrs have. Default `udp`. */
  portProtocol?: 'udp' | 'tcp'
  /**
   * Last component of its multiaddrs, such as `/utp`, and its code in the multiaddr table. Where that is the port's
   * the suffix is empty.
   */
  suffix: string
  multiaddrCode: number
  /** The addon itself secures and multiplexes connections. Default false. */
  native?: boolean
  /** `import.meta.url` of the program, one folder below the package's. */
  url: string
  /** Default: `loadAddon` from the package's folder. */
  loadBinding?(packageDir: string): Binding
}

/** The service that a program is. */
export function serviceOf(program: TransportProgram): ServiceDefinition {
  const { name, packageName, version, multiaddrCode, native = false, url } = program
  const packageDir = path.dirname(path.dirname(fileURLToPath(url)))
  const { loadBinding = dir => loadAddon({ packageName, dirs: [dir] }) } = program
  return {
    name,
    implementation: `${packageName}/${version}`,
    portProtocol: program.portProtocol,
    suffix: program.suffix,
    suffixCode: multiaddrCode,
    capabilities:
      CAPABILITY.DIAL |
      CAPABILITY.LISTEN |
      CAPABILITY.HALF_CLOSE |
      (native ? CAPABILITY.NATIVE_MUX | CAPABILITY.NATIVE_SECURITY : 0),
    loadBinding: () => loadBinding(packageDir)
  }
}

/** Runs the service of a transport package on fds 3 and 4 until its parent ends it or is gone. */
export function runTransport(program: TransportProgram): void {
  runService(serviceOf(program))
}
