/** `/quic-v1` in the multiaddr table (multicodec `quic-v1`, 0x01cd). */
export const QUIC_CODE = 461
export const QUIC_SUFFIX = '/quic-v1'
