// libp2p metrics of one transport, where libp2p has metrics configured.
import type { CounterGroup, Metrics } from '@libp2p/interface'
import type { TransportStatus } from './status.ts'

export interface TransportMetrics {
  /** Dials: `connect`, `abort`, `error`; connections: `outbound_end`, `inbound_reset`, … */
  events: CounterGroup
  /** By `code` of the error, prefixed with what failed: `dial ERR_XTP_CONNECTION_REFUSED`. */
  errors: CounterGroup
  /** `start`, `lost`, `given_up`. */
  service: CounterGroup
}

/** Registers the metrics; a gauge of connections and listeners asks `status` when it is read. */
export function transportMetrics(
  metrics: Metrics | undefined,
  name: string,
  status: () => TransportStatus
): TransportMetrics | undefined {
  if (metrics === undefined) {
    return undefined
  }
  const prefix = `libp2p_xtp_${name}`
  metrics.registerMetricGroup(`${prefix}_open`, {
    label: 'kind',
    help: `Open connections and listeners of the ${name} transport`,
    calculate: () => {
      const { connections, listeners } = status()
      return { connections, listeners }
    }
  })
  metrics.registerMetricGroup(`${prefix}_link_bytes_total`, {
    label: 'direction',
    help: `Bytes between this process and the ${name} service`,
    calculate: () => {
      const { bytesIn, bytesOut } = status()
      return { in: bytesIn, out: bytesOut }
    }
  })
  metrics.registerMetricGroup(`${prefix}_service`, {
    label: 'kind',
    help: `The ${name} service process: memory, processor time, uptime, restarts`,
    calculate: () => {
      const { rssBytes = 0, cpuMs = 0, uptimeMs, restarts, crashes, startFailures } = status()
      return {
        rss_bytes: rssBytes,
        cpu_seconds: cpuMs / 1000,
        uptime_seconds: uptimeMs / 1000,
        restarts,
        crashes,
        start_failures: startFailures
      }
    }
  })
  return {
    events: metrics.registerCounterGroup(`${prefix}_events_total`, {
      label: 'event',
      help: `Events of dials, listeners and connections of the ${name} transport`
    }),
    errors: metrics.registerCounterGroup(`${prefix}_errors_total`, {
      label: 'error',
      help: `Errors of the ${name} transport by code`
    }),
    service: metrics.registerCounterGroup(`${prefix}_service_events_total`, {
      label: 'event',
      help: `Starts and losses of the ${name} service process`
    })
  }
}
