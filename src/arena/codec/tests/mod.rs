//! Round trips of compression, checked against another writer and reader of each format, and reading invalid bytes.

#![allow(clippy::unwrap_used)]

mod deflate;
mod frozen;
mod lz4;
mod parts;

/// Bytes of one kind: noise, text with repetitions, few values, one value, runs of changing values.
pub(super) fn sample(kind: usize, len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as usize
    };
    let words: Vec<String> = (0..40).map(|_| format!("{:x} ", next() % 100_000)).collect();
    let mut bytes = Vec::new();
    while bytes.len() < len {
        match kind {
            0 => bytes.push(next() as u8),
            1 => bytes.extend_from_slice(words[(next() % 40).min(next() % 40)].as_bytes()),
            2 => bytes.push((next() % 16 * (next() % 16)) as u8),
            3 => bytes.push(7),
            _ => bytes.extend((0..next() % 5000).map(|at| (at / 700 * at % 13) as u8)),
        }
    }
    bytes.truncate(len);
    bytes
}
