export { DirectRunner, type DirectRunnerInit } from './direct-runner.ts'
export { findJail, type JailBinary } from './jail-binary.ts'
export type { SandboxUser } from './jail-host.ts'
export { cleanText } from './log-lines.ts'
export { nodeClock } from './node-clock.ts'
export { type ProcessUsage, processUsage } from './process-usage.ts'
export { type Resolver, systemResolver } from './resolver.ts'
export type {
  ByteLink,
  ExitInfo,
  Incarnation,
  LinkHandler,
  LogSource,
  ProcessLimits,
  Runner,
  SandboxLevel,
  SandboxReport,
  SocketAddress,
  SocketKeeper,
  StartRequest
} from './runner.ts'
export {
  checkSandboxOptions,
  type SandboxOptions,
  SandboxRunner,
  type SandboxRunnerInit
} from './sandbox.ts'
export { serviceFile } from './service-file.ts'
