//! XXH64: the checksum of all formats, and the hash of ids in their tables.

use xxhash_rust::xxh64::Xxh64;

/// The XXH64 of `bytes`. The crate's one-shot function would put a second copy of the algorithm into the shipped
/// WebAssembly, which needs the streaming one in any case (size).
pub(crate) fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = Xxh64::new(seed);
    hash.update(bytes);
    hash.digest()
}
