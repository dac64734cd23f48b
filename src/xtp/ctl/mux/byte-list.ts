/** What is used of a Uint8ArrayList, so that any version of it fits. */
export interface ByteList extends Iterable<Uint8Array> {
  readonly byteLength: number
  sublist(begin?: number, end?: number): ByteList
}
