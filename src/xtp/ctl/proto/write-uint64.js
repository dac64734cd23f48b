// protons-runtime 5.6.0 writes 2^31 to 2^32 − 1 wrongly as uint64, because it takes their low 32 bits for a negative
// number; uint64Number, which is right below 2^53, does not.

/**
 * @param {{ uint64(value: bigint): unknown, uint64Number(value: number): unknown }} writer
 * @param {bigint} value
 */
export function writeUint64(writer, value) {
  if (value >= 0x8000_0000n && value <= 0xffff_ffffn) {
    writer.uint64Number(Number(value))
  } else {
    writer.uint64(value)
  }
}
