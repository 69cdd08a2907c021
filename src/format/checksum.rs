//! XXH64: the checksum of all formats, and the hash of ids in their tables.

use xxhash_rust::xxh64::Xxh64;

/// The XXH64 of some bytes. The crate's function for bytes that are all there would be a second copy of the algorithm in
/// the shipped WebAssembly, where this one is needed in any case.
pub(crate) fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = Xxh64::new(seed);
    hash.update(bytes);
    hash.digest()
}
