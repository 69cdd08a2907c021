//! A few thousand inputs from a seed: far from a fuzzer's search, but enough to see that the targets still work.

use xxhash_rust::xxh64::xxh64;

/// Bytes that are a function of the seed.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64).flat_map(|at| [xxh64(&at.to_le_bytes(), seed) as u8]).collect()
}

#[test]
fn operations_hold_for_random_sequences() {
    for seed in 0..400 {
        crate::operations::run(&bytes(seed, 200 + seed as usize * 4));
    }
}

#[test]
fn imports_survive_random_edits() {
    for seed in 0..20_000 {
        let mut data = bytes(seed, 1 + 4 * (seed as usize % 6));
        // Most inputs edit a sound index: random bytes get no further than the magic.
        if seed % 16 != 0 {
            data[0] |= 2;
        }
        crate::import::run(&data);
    }
}
