//! Takes exported bytes apart and seals them again with valid checksums, so that contents can be forged.
//!
//! The layout is written here a second time, following docs/FORMAT.md and not the crate: changing one without the other
//! fails.

use xxhash_rust::xxh64::xxh64;

/// Positions of the sections in the file.
pub(crate) mod kind {
    pub(crate) const META: usize = 0;
    pub(crate) const CODES: usize = 1;
    pub(crate) const LOWER_CODES: usize = 2;
    pub(crate) const SCALES: usize = 3;
    pub(crate) const LEVELS: usize = 4;
    pub(crate) const BASE_LINKS: usize = 5;
    pub(crate) const UPPER_LINKS: usize = 6;
    pub(crate) const IDS: usize = 7;
    pub(crate) const ID_TEXTS: usize = 8;
    pub(crate) const RECORD_OFFSETS: usize = 9;
    pub(crate) const RECORDS: usize = 10;
    /// Absent if no record expires.
    pub(crate) const EXPIRIES: usize = 11;
}

/// The offset of each field of the meta section.
pub(crate) mod meta {
    pub(crate) const DIMENSIONS: usize = 0;
    pub(crate) const METRIC: usize = 4;
    pub(crate) const QUANTIZATION: usize = 5;
    pub(crate) const M: usize = 6;
    pub(crate) const EF_CONSTRUCTION: usize = 10;
    pub(crate) const EF: usize = 14;
    pub(crate) const THRESHOLD: usize = 26;
    pub(crate) const NEXT_NUMBER: usize = 42;
    pub(crate) const SLOTS: usize = 50;
    pub(crate) const ENTRY: usize = 54;
    pub(crate) const GROWTH_SUM: usize = 58;
    pub(crate) const GROWTH_COUNT: usize = 66;
    pub(crate) const BYTES: usize = 74;
}

const HEADER: usize = 64;
const ENTRY: usize = 32;
/// The number of sections if no record expires.
pub(crate) const SECTIONS: usize = 11;
const MOST_SECTIONS: usize = 12;
const ALIGNMENT: usize = 64;

pub(crate) fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(crate) fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// An index in pieces.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
    sections: Vec<Vec<u8>>,
    /// Forged values of entries in the table: section, field (0 kind, 1 offset, 2 length, 3 checksum), value.
    pub(crate) lies: Vec<(usize, usize, u64)>,
    /// Forged header values for the number of sections and the total length.
    pub(crate) count: Option<u32>,
    pub(crate) total: Option<u64>,
    /// The value of all padding bytes.
    pub(crate) padding: u8,
}

impl Forge {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let section = |at: usize| {
            let entry = HEADER + at * ENTRY;
            let (start, len) = (word64(bytes, entry + 8) as usize, word64(bytes, entry + 16) as usize);
            let number = if at == kind::EXPIRIES { 13 } else { at as u64 + 1 };
            assert_eq!((word64(bytes, entry), start % ALIGNMENT), (number, 0));
            bytes[start..start + len].to_vec()
        };
        let count = word32(bytes, 12) as usize;
        assert!((SECTIONS..=MOST_SECTIONS).contains(&count));
        let sections: Vec<Vec<u8>> = (0..count).map(section).collect();
        assert_eq!(sections[kind::META].len(), meta::BYTES);
        let magic = bytes[..8].try_into().unwrap();
        let forge =
            Self { magic, version: word32(bytes, 8), sections, lies: Vec::new(), count: None, total: None, padding: 0 };
        assert!(forge.seal() == bytes, "untouched, it is what it was");
        forge
    }

    pub(crate) fn section(&self, kind: usize) -> &[u8] {
        &self.sections[kind]
    }

    pub(crate) fn section_mut(&mut self, kind: usize) -> &mut Vec<u8> {
        &mut self.sections[kind]
    }

    /// Returns a section as words.
    pub(crate) fn words(&self, kind: usize) -> Vec<u32> {
        self.sections[kind].chunks_exact(4).map(|word| word32(word, 0)).collect()
    }

    pub(crate) fn set_words(&mut self, kind: usize, words: &[u32]) {
        self.sections[kind] = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    }

    pub(crate) fn set_word(&mut self, kind: usize, at: usize, word: u32) {
        self.sections[kind][4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
    }

    pub(crate) fn set_long(&mut self, kind: usize, at: usize, word: u64) {
        self.sections[kind][8 * at..8 * at + 8].copy_from_slice(&word.to_le_bytes());
    }

    /// Adds a section after the last one.
    pub(crate) fn push_section(&mut self, bytes: Vec<u8>) {
        self.sections.push(bytes);
    }

    /// Overwrites a field of the meta section.
    pub(crate) fn set_meta(&mut self, at: usize, bytes: &[u8]) {
        self.sections[kind::META][at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Returns all of it, with checksums that match the contents.
    pub(crate) fn seal(&self) -> Vec<u8> {
        let first = (HEADER + MOST_SECTIONS * ENTRY).next_multiple_of(ALIGNMENT);
        let (mut table, mut body) = (Vec::new(), Vec::new());
        for (at, section) in self.sections.iter().enumerate() {
            let start = first + body.len();
            let mut padded = section.clone();
            padded.resize(section.len().next_multiple_of(ALIGNMENT), self.padding);
            let number = if at == kind::EXPIRIES { 13 } else { at as u64 + 1 };
            let mut fields = [number, start as u64, section.len() as u64, xxh64(&padded, 0)];
            for (_, field, value) in self.lies.iter().filter(|lie| lie.0 == at) {
                fields[*field] = *value;
            }
            table.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
            body.extend(padded);
        }
        table.resize(first - HEADER, self.padding);
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.count.unwrap_or(self.sections.len() as u32).to_le_bytes());
        bytes.extend(self.total.unwrap_or((first + body.len()) as u64).to_le_bytes());
        bytes.extend(xxh64(&table, 0).to_le_bytes());
        bytes.resize(HEADER - 8, self.padding);
        bytes.extend(xxh64(&bytes, 0).to_le_bytes());
        bytes.extend(table);
        bytes.extend(body);
        bytes
    }
}
