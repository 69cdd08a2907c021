//! A second reader of manifests and keys, following docs/FORMAT.md.

use std::collections::{BTreeMap, BTreeSet};

use thermocline::MemoryStore;

use crate::support::content;

/// The contents of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) log: u64,
    pub(crate) piece_bytes: u64,
    /// Kind, index, generation, length.
    pub(crate) segments: Vec<(u16, u32, u64, u64)>,
    /// Number, length.
    pub(crate) blocks: Vec<(u32, u64)>,
    /// Records in the blocks that no longer exist.
    pub(crate) dead: u64,
    /// How each block was compressed.
    pub(crate) codecs: Vec<u32>,
}

impl Manifest {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(&bytes[..8], b"\x93thmani\n");
        let count = word(72) as usize;
        let segment = |at: usize| {
            let kind = u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
            (kind, word(at + 4), long(at + 8), long(at + 16))
        };
        let segments = (0..count).map(|number| segment(160 + 32 * number)).collect();
        let blocks_at = 160 + 32 * count;
        let block = |at: usize| (word(at), long(at + 8));
        let blocks = (0..word(76) as usize).map(|number| block(blocks_at + 48 * number)).collect();
        let dead = (0..word(76) as usize).map(|number| u64::from(word(blocks_at + 48 * number + 36))).sum();
        let codecs = (0..word(76) as usize).map(|number| word(blocks_at + 48 * number + 4)).collect();
        Self { dead, log: long(40), piece_bytes: u64::from(word(56)), segments, blocks, codecs }
    }

    /// Returns the values that it names.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for &(kind, index, generation, bytes) in &self.segments {
            let letter = match kind {
                2 => 'c',
                6 => 'l',
                8 => 'i',
                12 => 'p',
                kind => panic!("a segment of kind {kind}"),
            };
            for piece in 0..bytes.div_ceil(self.piece_bytes) {
                keys.insert(format!("s/{letter}/{index:010}.{generation:020}.{piece:010}"));
            }
        }
        for &(number, bytes) in &self.blocks {
            for piece in 0..bytes.div_ceil(self.piece_bytes) {
                keys.insert(format!("b/{number:010}.{piece:010}"));
            }
        }
        keys
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segments.iter().map(|(.., bytes)| bytes).sum()
    }

    pub(crate) fn block_bytes(&self) -> u64 {
        self.blocks.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Returns the manifests of a place, newest first.
pub(crate) fn manifests(content: &BTreeMap<String, Vec<u8>>) -> Vec<(String, Manifest)> {
    let found = content.iter().rev().filter(|(key, _)| key.starts_with("m/"));
    found.map(|(key, bytes)| (key.clone(), Manifest::read(bytes))).collect()
}

/// Returns what a place holds that neither of its two newest manifests needs.
pub(crate) fn orphans(place: &MemoryStore) -> Vec<String> {
    let content = content(place);
    let manifests = manifests(&content);
    let mut needed: BTreeSet<String> = manifests.iter().take(2).map(|(key, _)| key.clone()).collect();
    needed.extend(manifests.iter().take(2).flat_map(|(_, manifest)| manifest.keys()));
    let first = manifests.iter().take(2).map(|(_, manifest)| manifest.log).min().unwrap_or(0);
    let is_orphan = |key: &&String| {
        let is_named = key.starts_with("m/") || key.starts_with("s/") || key.starts_with("b/");
        !needed.contains(*key) && (is_named || **key < format!("log/{first:020}"))
    };
    content.keys().filter(is_orphan).cloned().collect()
}
