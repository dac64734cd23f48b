export { DirectRunner, type DirectRunnerInit } from './direct-runner.ts'
export { cleanText } from './log-lines.ts'
export { nodeClock } from './node-clock.ts'
export { type Resolver, systemResolver } from './resolver.ts'
export type {
  ByteLink,
  ExitInfo,
  Incarnation,
  LinkHandler,
  Runner,
  SandboxLevel,
  SandboxReport,
  StartRequest
} from './runner.ts'
export { createScavenger } from './scavenger.ts'
