// Every field of every control message with its limits, as data: checked before a byte is decoded,
// and the source of the tables in spec/xtp-ctl.md. A test compares it with spec/xtp-ctl.proto.

import { MAX_CERTIFICATE_BYTES } from './limits.ts'

export interface Field {
  name: string
  type: 'uint32' | 'uint64' | 'bool' | 'string' | 'bytes' | MessageSchema
  /** Smallest number, or smallest length in bytes. Not 0: the field must be there. */
  min?: number
  /** Largest number, or largest length in bytes. */
  max?: number
  /** Who chose a conn_id: odd numbers are the client's, even ones the service's. */
  parity?: 'odd' | 'even'
  /** Largest number of elements of a repeated field. */
  repeated?: number
  /** Absent is told from empty. */
  optional?: boolean
  /** Message fields only: must be there. */
  required?: boolean
}

export interface MessageSchema {
  name: string
  fields: ReadonlyMap<number, Field>
  required: readonly number[]
  /** Known fields from this number on exclude each other. */
  oneOfFrom: number
}

function message(
  name: string,
  fields: Record<number, Field>,
  oneOfFrom = Number.POSITIVE_INFINITY
): MessageSchema {
  const entries = Object.entries(fields).map(([n, field]): [number, Field] => [Number(n), field])
  const required = entries
    .filter(([, field]) => field.repeated == null && (field.required || (field.min ?? 0) > 0))
    .map(([n]) => n)
  return { name, fields: new Map(entries), required, oneOfFrom }
}

const MAX_ADDR_BYTES = 512
const MAX_CREDIT = 1_048_576

const addr: Field = { name: 'addr', type: 'bytes', min: 1, max: MAX_ADDR_BYTES }
const localAddr: Field = { ...addr, name: 'local_addr' }
const remoteAddr: Field = { ...addr, name: 'remote_addr' }
/** Empty for transports without security of their own. */
const remoteCertificate: Field = {
  name: 'remote_certificate',
  type: 'bytes',
  max: MAX_CERTIFICATE_BYTES,
  optional: true
}
const connId: Field = { name: 'conn_id', type: 'uint32', min: 1 }
const listenerId: Field = { name: 'listener_id', type: 'uint32', min: 1 }

const status = message('Status', {
  1: { name: 'code', type: 'uint32' },
  2: { name: 'message', type: 'string', max: 4_096 },
  3: { name: 'errno', type: 'string', max: 32 },
  4: { name: 'retryable', type: 'bool' }
})

const option = message('Option', {
  1: { name: 'key', type: 'string', min: 1, max: 64 },
  2: { name: 'value', type: 'string', max: 1_024 }
})

const limits = message('Limits', {
  1: { name: 'max_frame_bytes', type: 'uint32' },
  2: { name: 'max_connections', type: 'uint32' },
  3: { name: 'max_listeners', type: 'uint32' },
  4: { name: 'max_requests', type: 'uint32' }
})

const transport = message('Transport', {
  1: { name: 'name', type: 'string', min: 1, max: 32 },
  2: { name: 'protocols', type: 'uint32', repeated: 16 },
  3: { name: 'capabilities', type: 'uint32' }
})

const stat = message('Stat', {
  1: { name: 'key', type: 'string', min: 1, max: 64 },
  2: { name: 'value', type: 'uint64' }
})

const FIRST_BODY = 16

/** Bodies by their field number in Frame. */
const bodies = {
  16: message('Hello', {
    1: { name: 'implementation', type: 'string', min: 1, max: 128 },
    2: { name: 'features', type: 'string', min: 1, max: 64, repeated: 64 },
    3: { name: 'options', type: option, repeated: 128 },
    4: { name: 'limits', type: limits },
    5: { name: 'transports', type: transport, repeated: 16 },
    6: { name: 'pid', type: 'uint32' }
  }),
  17: message('Listen', {
    1: listenerId,
    2: addr,
    3: { name: 'accept', type: 'uint32', max: MAX_CREDIT }
  }),
  18: message('Listening', { 1: addr }),
  19: message('Unlisten', { 1: listenerId }),
  20: message('Dial', { 1: { ...connId, parity: 'odd' }, 2: addr }),
  21: message('Connected', {
    1: { ...connId, parity: 'odd' },
    2: localAddr,
    3: remoteAddr,
    4: remoteCertificate
  }),
  22: message('Close', {
    1: connId,
    2: { name: 'abort', type: 'bool' },
    3: { name: 'code', type: 'uint32' }
  }),
  23: message('Ping', {
    1: { name: 'nonce', type: 'uint64' },
    2: { name: 'io_age_ms', type: 'uint32' }
  }),
  24: message('Stats', { 1: { name: 'conn_id', type: 'uint32' } }),
  25: message('StatsResult', { 1: { name: 'stats', type: stat, repeated: 512 } }),
  26: message('Sign', {
    1: { name: 'purpose', type: 'uint32', min: 1 },
    2: { name: 'spki', type: 'bytes', min: 1, max: 512 }
  }),
  27: message('Signed', {
    1: { name: 'public_key', type: 'bytes', min: 1, max: 1_024 },
    2: { name: 'signature', type: 'bytes', min: 1, max: 1_024 }
  }),
  28: message('Drain', {}),
  29: message('Shutdown', {}),
  32: message('Cancel', { 1: { name: 'id', type: 'uint32', min: 1 } }),
  33: message('Accept', {
    1: listenerId,
    2: { name: 'count', type: 'uint32', min: 1, max: MAX_CREDIT }
  }),
  40: message('Incoming', {
    1: { ...connId, min: 2, parity: 'even' },
    2: listenerId,
    3: localAddr,
    4: remoteAddr,
    5: remoteCertificate
  }),
  41: message('Refused', {
    1: listenerId,
    2: remoteAddr,
    3: { name: 'status', type: status, required: true }
  }),
  42: message('Closed', {
    1: connId,
    2: { name: 'status', type: status, required: true },
    3: { name: 'bytes_in', type: 'uint64' },
    4: { name: 'bytes_out', type: 'uint64' }
  }),
  43: message('Addrs', {
    1: listenerId,
    2: { ...addr, name: 'addrs', repeated: 64 }
  }),
  44: message('Log', {
    1: { name: 'level', type: 'uint32', max: 3 },
    2: { name: 'scope', type: 'string', max: 128 },
    3: { name: 'message', type: 'string', max: 4_096 }
  })
}

const frameFields: Record<number, Field> = {
  1: { name: 'id', type: 'uint32' },
  2: { name: 'reply', type: 'bool' },
  3: { name: 'status', type: status },
  4: { name: 'deadline_ms', type: 'uint32' }
}
for (const [number, type] of Object.entries(bodies)) {
  const name = type.name.replace(/(?<=[a-z])[A-Z]/g, c => `_${c}`).toLowerCase()
  frameFields[Number(number)] = { name, type }
}

export const FRAME_SCHEMA: MessageSchema = message('Frame', frameFields, FIRST_BODY)

export const STREAM_HEADER_SCHEMA: MessageSchema = message('StreamHeader', {
  1: connId,
  2: { name: 'kind', type: 'uint32' }
})
