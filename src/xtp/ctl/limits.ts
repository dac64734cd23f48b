// The numbers of the protocol (spec/xtp-ctl.md, section Limits).

/** Protocol string of the control link. */
export const CONTROL_PROTOCOL = '/xtp-ctl/1.0.0'
/** Protocol string of the data link. */
export const DATA_PROTOCOL = '/yamux/1.0.0'
/** Exit code of a service that finds no common protocol (EX_CONFIG of sysexits). */
export const EXIT_NO_COMMON_PROTOCOL = 78

/** Control frame, without its length prefix. */
export const MAX_FRAME_BYTES = 65_536
/** What a Hello may lower `max_frame_bytes` to: room for any frame that is needed to go on. */
export const MIN_FRAME_BYTES = 32_768
/** Requests in flight per direction, where Hello says nothing. */
export const MAX_REQUESTS = 1_024
/** How long the requester waits after the deadline for the responder's own answer. */
export const DEADLINE_GRACE_MS = 1_000
export const DEFAULT_TIMEOUT_MS = 10_000
/** Longer deadlines are cut to this: no timer anywhere takes more. */
export const MAX_DEADLINE_MS = 2_147_483_647

/** Line of multistream-select, its newline included and its length prefix not. */
export const MAX_NEGOTIATION_LINE_BYTES = 1_024

/** StreamHeader, without its length prefix. */
export const MAX_STREAM_HEADER_BYTES = 64
/** Credit of both ends when a stream opens; fixed by yamux. */
export const INITIAL_WINDOW_BYTES = 262_144
/** What both ends raise their receive window to, with the SYN and with the ACK. */
export const DEFAULT_WINDOW_BYTES = 1_048_576
/** Streams beyond those whose raised windows fit into this keep the initial one. */
export const WINDOW_BUDGET_BYTES = 268_435_456
export const MAX_WINDOW_BYTES = 2_147_483_647
/** Payload of one DATA frame. */
export const MAX_DATA_FRAME_BYTES = 16_777_216
/** Streams that the other end may have open at once. */
export const MAX_STREAMS = 65_536

/** Certificate of a peer, in Connected and Incoming. */
export const MAX_CERTIFICATE_BYTES = 16_384
/** Streams of one connection that its peer may have open at the client at once (NATIVE_MUX). */
export const MAX_STREAMS_PER_CONNECTION = 4_096
/** Credit that a client may keep back on all streams of one connection together (NATIVE_MUX). */
export const MAX_WITHHELD_CREDIT_BYTES = 1_048_576

/** Bytes that may wait for an end that keeps asking (pings, requests) and does not read. */
export const MAX_UNREAD_REPLY_BYTES = 16_777_216
