// The sandbox levels that are compared, and how a client is told to use exactly one.
import type { UtpInit } from 'xtp-utp'

export const LEVELS = ['L0', 'L2', 'L3'] as const
export type Level = (typeof LEVELS)[number]

export function atLevel(level: Level): UtpInit {
  return { sandbox: { level } }
}

/** For many kills in a row: no pause before a restart, so that the restart itself is what is measured. */
export function failoverInit(level: Level, standby: boolean): UtpInit {
  return {
    ...atLevel(level),
    restart: { initialDelayMs: 0, maxDelayMs: 0 },
    standby
  } as UtpInit
}
