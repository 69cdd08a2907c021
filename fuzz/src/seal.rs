//! Corrects checksums: what docs/FORMAT.md specifies for header and table, and nothing of the contents.

use xxhash_rust::xxh64::xxh64;

const HEADER: usize = 64;
const ENTRY: usize = 32;
const ALIGNMENT: usize = 64;

fn word(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// Recomputes every checksum of what looks like an index, wherever its table places the sections.
pub(crate) fn seal(bytes: &mut [u8]) {
    if bytes.len() < HEADER {
        return;
    }
    let sections = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let table_end = HEADER.saturating_add(sections.saturating_mul(ENTRY)).next_multiple_of(ALIGNMENT);
    if table_end <= bytes.len() {
        for entry in (HEADER..HEADER + sections * ENTRY).step_by(ENTRY) {
            let (start, len) = (word(bytes, entry + 8), word(bytes, entry + 16));
            let end = len.checked_next_multiple_of(ALIGNMENT).and_then(|len| start.checked_add(len));
            if let Some(section) = end.and_then(|end| bytes.get(start..end)) {
                let checksum = xxh64(section, 0);
                bytes[entry + 24..entry + 32].copy_from_slice(&checksum.to_le_bytes());
            }
        }
        let checksum = xxh64(&bytes[HEADER..table_end], 0);
        bytes[24..32].copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = xxh64(&bytes[..56], 0);
    bytes[56..64].copy_from_slice(&checksum.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use thermocline::{Config, Index};

    #[test]
    fn sealing_what_is_sound_changes_nothing_and_repairs_checksums() {
        let mut index = Index::new(Config::new(3)).unwrap();
        index.insert(&[1.0, 2.0, 3.0], None).unwrap();
        let sound = index.export().unwrap();
        let mut bytes = sound.clone();
        super::seal(&mut bytes);
        assert_eq!(bytes, sound);
        for at in [24, 56, 64 + 24] {
            bytes[at] ^= 1;
        }
        assert!(Index::import(&bytes).is_err());
        super::seal(&mut bytes);
        assert_eq!(bytes, sound);
    }
}
