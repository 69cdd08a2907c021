//! Compression there and back, against another writer and reader of each form, and reading bytes that no writer makes.

#![allow(clippy::unwrap_used)]

mod deflate;
mod frozen;
mod lz4;
mod parts;

/// Bytes of some kind: noise, text that repeats itself, few values, one value.
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
