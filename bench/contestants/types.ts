// What every contestant gives a server and a client, so that the figures differ by the transport only.

/** One byte stream, both ways. */
export interface Duplex {
  /** False: wait for onDrain. */
  write(bytes: Uint8Array): boolean
  end(): void
  onData?: (bytes: Uint8Array) => void
  onDrain?: () => void
  onEnd?: (error?: Error) => void
}

export interface Server {
  address: string
}

export interface Connection {
  open(): Promise<Duplex>
  close(): Promise<void>
}

export interface Client {
  /** A stream of the client's first connection; where the transport has none, a connection. */
  open(): Promise<Duplex>
  /** A connection of its own. */
  connect(): Promise<Connection>
  stop(): Promise<void>
}

export interface Contestant {
  title: string
  /** Streams that a connection may have at a time, where that is few. */
  maxStreams?: number
  serve(onDuplex: (duplex: Duplex) => void): Promise<Server>
  connect(address: string): Promise<Client>
}
