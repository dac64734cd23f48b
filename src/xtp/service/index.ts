/** The child's side: what a transport's service program is made of. */
export { type AddonSearch, type Load, loadAddon } from './addon.ts'
export type { Binding, NativeEvent, StartOptions } from './binding.ts'
export { NATIVE_EVENT } from './binding.ts'
export { EXIT } from './exit-codes.ts'
export { runService } from './run-service.ts'
export { runTransport, type TransportProgram } from './run-transport.ts'
export { CAPABILITY, type ServiceDefinition } from './service.ts'
