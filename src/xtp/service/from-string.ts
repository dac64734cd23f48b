// In the bundle of a service, what stands for `uint8arrays/from-string`, which brings every base and hash there is:
// protons-runtime, the only one that asks for it, wants UTF-8.

export function fromString(text: string): Uint8Array {
  return Buffer.from(text)
}
