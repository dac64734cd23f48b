/** `/utp` in the multiaddr table (multicodec `utp`, 0x012e). */
export const UTP_CODE = 302
export const UTP_SUFFIX = '/utp'
