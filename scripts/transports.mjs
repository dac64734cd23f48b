// The transport packages of this repository, and the vendored library that each is made of.
export const TRANSPORTS = { 'xtp-utp': 'libutp', 'xtp-quic': 'libquic' }
