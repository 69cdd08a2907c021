//! The names of all values of a store. They tell which values nothing refers to, and which names are new.
//!
//! Only writing a checkpoint needs them. The names are many, and in some stores listing them costs as much as reading
//! the values. So they are listed before the first checkpoint after an opening, and again after very many checkpoints
//! have failed: the checkpoint that was opened, or the last that has ended, is then the current one.

use super::journal::Journal;
use crate::arena::MOST_BLOCKS;
use crate::format::{Key, Manifest, piece_count};
use crate::index::{Error, Index};
use crate::types::OutOfMemory;

/// What writing a checkpoint needs to know about its store.
#[derive(Debug)]
pub(in crate::index) struct Stock {
    /// Values that the current checkpoint does not name, but the previous one may. The next checkpoint deletes them at
    /// its end, and with them the previous manifest.
    pub(in crate::index) retired: Vec<Key>,
    /// What later checkpoints may have left that failed or were cut off. The next checkpoint deletes it at its
    /// beginning: should it fail too, and the one after it, the store has what one of them has left, not all.
    pub(in crate::index) abandoned: Vec<Key>,
    /// A generation that no value has.
    next_generation: u64,
    /// A number that no block has ever had.
    pub(super) next_block: u32,
}

impl Stock {
    /// What is known of a store by the manifest of its current checkpoint.
    pub(super) const fn of_manifest(manifest: &Manifest) -> Self {
        let (next_generation, next_block) = (manifest.generation + 1, manifest.next_block);
        Self { retired: Vec::new(), abandoned: Vec::new(), next_generation, next_block }
    }

    /// Reads the names of all values. Names that do not belong to an index are ignored.
    fn new(names: &[String], manifest: &Manifest) -> Result<Self, OutOfMemory> {
        let mut stock = Self { retired: Vec::new(), abandoned: Vec::new(), next_generation: 1, next_block: 0 };
        for key in names.iter().filter_map(|name| Key::parse(name)) {
            match key {
                Key::Manifest { generation } | Key::Segment { generation, .. } => {
                    stock.next_generation = stock.next_generation.max(generation + 1);
                }
                Key::Block { number, .. } if number < MOST_BLOCKS => {
                    stock.next_block = stock.next_block.max(number + 1);
                }
                Key::Log { .. } | Key::Block { .. } => {}
            }
            let list = if is_later(key, manifest) { &mut stock.abandoned } else { &mut stock.retired };
            if !is_named(key, manifest) {
                list.try_reserve(1)?;
                list.push(key);
            }
        }
        Ok(stock)
    }

    /// Takes the values that were found. Numbers that have been given out stay used, whether or not a value has them.
    pub(super) fn replace_with(&mut self, found: Self) {
        let next_generation = self.next_generation.max(found.next_generation);
        let next_block = self.next_block.max(found.next_block);
        *self = Self { next_generation, next_block, ..found };
    }

    /// Notes a value that a failed checkpoint may have left. Without memory for it, it is found after the next opening.
    pub(super) fn abandon(&mut self, key: Key) {
        if self.abandoned.try_reserve(1).is_ok() {
            self.abandoned.push(key);
        }
    }

    /// Returns a generation for a new checkpoint. No value has it, not even one left by an abandoned checkpoint.
    pub(super) const fn new_generation(&mut self) -> u64 {
        self.next_generation += 1;
        self.next_generation - 1
    }

    /// Returns a number that no block has ever had; `None` when all below `most` are used.
    pub(super) fn new_block(&mut self, most: u32) -> Option<u32> {
        let number = self.next_block;
        if number >= most {
            return None;
        }
        self.next_block += 1;
        Some(number)
    }
}

/// Whether a value was written by a checkpoint after that of this manifest. Logs are not.
const fn is_later(key: Key, manifest: &Manifest) -> bool {
    match key {
        Key::Manifest { generation } | Key::Segment { generation, .. } => generation > manifest.generation,
        Key::Block { number, .. } => number >= manifest.next_block,
        Key::Log { .. } => false,
    }
}

/// Whether opening the checkpoint of this manifest needs the value.
fn is_named(key: Key, manifest: &Manifest) -> bool {
    let has_piece = |bytes, piece| piece_count(bytes, manifest.piece_bytes).is_some_and(|pieces| piece < pieces);
    match key {
        Key::Manifest { generation } => generation == manifest.generation,
        Key::Log { number } => number >= manifest.log,
        Key::Segment { kind, index, generation, piece } => {
            let segments = &manifest.segments;
            let place = segments.binary_search_by_key(&(kind, index), |segment| (segment.kind, segment.index));
            let named = place.ok().and_then(|place| segments.get(place));
            named.is_some_and(|named| named.generation == generation && has_piece(named.bytes, piece))
        }
        Key::Block { number, piece } => {
            let place = manifest.blocks.binary_search_by_key(&number, |block| block.number);
            let named = place.ok().and_then(|place| manifest.blocks.get(place));
            named.is_some_and(|named| has_piece(named.stored_bytes, piece))
        }
    }
}

impl Index {
    /// Whether [`Index::take_stock`] must be called before a checkpoint begins.
    ///
    /// # Errors
    /// When no checkpoint can be written: [`Error::ReadOnly`]; the error with which the store has failed.
    pub(crate) fn lacks_stock(&self) -> Result<bool, Error> {
        self.check_writable()?;
        Ok(self.journal().is_some_and(Journal::lacks_stock))
    }

    /// Takes the names of all values of the store, if they are needed.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn take_stock(&mut self, names: &[String]) -> Result<(), Error> {
        if let Some(journal) = self.journal_mut().filter(|journal| journal.lacks_stock()) {
            journal.complete_stock(Stock::new(names, &journal.manifest)?);
        }
        Ok(())
    }
}
