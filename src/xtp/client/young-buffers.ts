// Keeps bytes that have been read, or sent, from staying in memory until V8's next full collection.
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * Gives a stream of libp2p another list in place of an empty one: call it before bytes are put in.
 *
 * A list that has waited for bytes is old for V8, and so is the array in it. Once they have come and gone the array is
 * garbage, but old garbage, and V8's small collections take what it refers to for used: the bytes become old, too. With a thousand
 * streams in turn that would be nearly all bytes, and each 64 MiB of them a full collection.
 *
 * @param stream - an AbstractMessageStream of `@libp2p/utils`, whose declaration keeps these two to itself
 */
export function renewIfEmpty(stream: object, name: 'readBuffer' | 'writeBuffer'): void {
  const buffers = stream as Record<typeof name, Uint8ArrayList>
  if (buffers[name].byteLength === 0) {
    buffers[name] = buffers[name].sublist(0, 0)
  }
}
