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
    /// Values that the current checkpoint does not name, but the previous one may.
    pub(in crate::index) retired: Vec<Key>,
    /// Values that a later checkpoint has written, which did not come to its end.
    pub(in crate::index) abandoned: Vec<Key>,
    /// A generation that no value has.
    pub(in crate::index) next_generation: u64,
    /// A number that no block has.
    pub(in crate::index) next_block: u32,
}

impl Stock {
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
            journal.stock(Stock::new(names, &journal.manifest)?);
        }
        Ok(())
    }
}
