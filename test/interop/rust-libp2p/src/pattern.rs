//! The byte source of test/support/bytes.ts.

const BLOCK_BYTES: usize = 1 << 20;
pub const CHUNK_BYTES: usize = 65536;
const STRIPE: u64 = 4096;

pub struct Pattern {
    block: Vec<u8>,
}

impl Pattern {
    pub fn new(seed: u32) -> Self {
        let mut block = Vec::with_capacity(BLOCK_BYTES + CHUNK_BYTES);
        let mut state = seed | 1;
        for _ in 0..BLOCK_BYTES {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            block.push((state >> 24) as u8);
        }
        block.extend_from_within(..CHUNK_BYTES);
        Self { block }
    }

    /// Writes the bytes at `offset`, at most `CHUNK_BYTES`.
    pub fn fill(&self, bytes: &mut [u8], offset: u64) {
        let start = (offset % BLOCK_BYTES as u64) as usize;
        bytes.copy_from_slice(&self.block[start..start + bytes.len()]);
        let end = offset + bytes.len() as u64;
        let mut number = offset / STRIPE;
        while number * STRIPE < end {
            for (at, byte) in [(0, number as u8), (1, (number >> 8) as u8)] {
                let position = number * STRIPE + at;
                if position >= offset && position < end {
                    bytes[(position - offset) as usize] = byte;
                }
            }
            number += 1;
        }
    }

    /// Says which byte at `offset` is the first wrong one.
    pub fn check(&self, bytes: &[u8], offset: u64) -> Result<(), String> {
        let mut expected = [0; CHUNK_BYTES];
        let expected = &mut expected[..bytes.len()];
        self.fill(expected, offset);
        match expected.iter().zip(bytes).position(|(a, b)| a != b) {
            None => Ok(()),
            Some(at) => Err(format!(
                "byte {} is {} instead of {}",
                offset + at as u64,
                bytes[at],
                expected[at]
            )),
        }
    }
}
