const encoder = new TextEncoder()

/** `text`, cut so that its UTF-8 form has at most `maxBytes` bytes. */
export function clipUtf8(text: string, maxBytes: number): string {
  // No character of a string takes more than three bytes.
  if (text.length * 3 <= maxBytes) return text
  return text.slice(0, encoder.encodeInto(text, new Uint8Array(maxBytes)).read)
}
