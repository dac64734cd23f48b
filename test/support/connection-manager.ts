// Of the libp2p nodes in tests.

/** Limits that let a test open what it wants, and time for it on a machine that does much else. */
export const CONNECTION_MANAGER = {
  inboundConnectionThreshold: Number.POSITIVE_INFINITY,
  maxIncomingPendingConnections: 10_000,
  maxConnections: 10_000,
  maxParallelDials: 1000,
  dialTimeout: 60_000,
  addressDialTimeout: 60_000,
  inboundUpgradeTimeout: 60_000
}
