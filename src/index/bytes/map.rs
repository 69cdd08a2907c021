//! An export that is used in place: nothing is decoded, and only what changes is copied.

use super::decode::{corrupt, empty_of};
use crate::arena::MappedRecords;
use crate::format::{Contents, IdWord, Kind, Meta, NO_NODE};
use crate::graph::MAX_LEVEL;
use crate::index::{Error, Index};
use crate::metric::Metric;
use crate::slot_set::{SlotSet, slots_of_word};
use crate::types::{Id, Slot};
use bytes::Bytes;

impl Index {
    /// Opens the index that [`Index::export`] wrote in place: in a mapped file, or in any bytes that begin at a
    /// multiple of 64. Opening reads its levels, its ids and the links above level 0, and nothing else, which takes
    /// microseconds per thousand records. If some can expire, it also makes the table that finds ids. Searching and
    /// reading copy nothing. A change first copies what it changes, a segment of an array at a time. Full vectors with
    /// payloads are copied one by one as a compaction moves them, and all at once when the index is put into a store.
    ///
    /// Of the checksums only the header's are verified, and links, codes and records are not checked: damaged bytes
    /// give wrong answers, and nothing worse. [`Index::check`] proves the structure; [`Index::import`] verifies
    /// everything, and copies. Before the first link is changed, the links are proven as for an index from a store:
    /// [`Index::link_step`].
    ///
    /// # Errors
    /// [`Error::Corrupt`] for bytes that are not an index, are cut short or do not begin at a multiple of 64;
    /// [`Error::UnsupportedVersion`]; [`Error::OutOfMemory`].
    pub fn map(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Self, Error> {
        let bytes = Bytes::from_owner(owner);
        let contents = Contents::open_unread(&*bytes)?;
        let section = |kind| {
            let range = contents.range(kind);
            // The range is within the bytes: the table has been compared with their length.
            bytes.slice(range.start as usize..range.end as usize)
        };
        let meta = Meta::from_bytes(&section(Kind::Meta))?;
        let mut index = empty_of(&meta)?;
        index.fill(&meta, section)?;
        if meta.slots > 0 {
            index.owe_proof();
            // Room for records that expire before the first change.
            index.reserve_pending(0)?;
            if !index.parts.expiries.is_empty() {
                index.parts.ids.prepare_lookups()?;
            }
        }
        Ok(index)
    }

    fn fill(&mut self, meta: &Meta, section: impl Fn(Kind) -> Bytes) -> Result<(), Error> {
        let misplaced = |kind| {
            move || corrupt(format_args!("section {kind:?} is not as long as it has to be, or not in its place"))
        };
        let slots = meta.slots as usize;
        if slots > Slot::MOST {
            return Err(corrupt("more slots than an index can hold").into());
        }
        self.draws = meta.draws;
        let parts = &mut self.parts;
        // First, because these are a byte for each slot: no more can be claimed than there are.
        let levels = section(Kind::Levels);
        // A fold instead of `all`: without an early exit the loop is vectorized.
        if levels.len() != slots
            || !levels.iter().fold(true, |all, &level| all & (level <= MAX_LEVEL.0 || level == NO_NODE))
        {
            return Err(misplaced(Kind::Levels)().into());
        }
        let [codes, lower, scales] = Kind::CODES.map(&section);
        parts.codes.map(slots, [&codes, &lower, &scales]).ok_or_else(misplaced(Kind::Codes))?;
        let lists = parts.graph.map(&levels, &section(Kind::BaseLinks), &section(Kind::UpperLinks))?;
        lists.ok_or_else(misplaced(Kind::BaseLinks))?;
        let live = self.states(slots, [section(Kind::Ids), section(Kind::IdTexts)])?;
        self.take_entry(meta)?;
        let is_cosine = self.config.metric == Metric::Cosine;
        let records = [Kind::RecordOffsets, Kind::Records].map(&section);
        let records = MappedRecords::new(slots, records, live, is_cosine).ok_or_else(misplaced(Kind::Records))?;
        self.parts.records.map(records);
        self.take_expiries(slots, &section(Kind::Expiries))?;
        self.parts.ids.raise_next_number(meta.next_number);
        self.owe_training();
        Ok(())
    }

    /// Sets which slots are live, tombstones and free, by the graph's nodes and the words of the ids. Returns the live
    /// slots.
    fn states(&mut self, slots: usize, [words, texts]: [Bytes; 2]) -> Result<SlotSet, Error> {
        let parts = &mut self.parts;
        let (mut live, mut numbers) = (SlotSet::new(), 0);
        live.reserve(slots)?;
        parts.tombstones.reserve(slots)?;
        for (at, words) in words.chunks(64 * size_of::<u64>()).enumerate() {
            let nodes = parts.graph.node_word(at);
            let mut bound = 0;
            for (bit, word) in words.chunks_exact(size_of::<u64>()).enumerate() {
                let word = word.try_into().map_or(u64::MAX, u64::from_le_bytes);
                bound |= u64::from(word != u64::MAX) << bit;
                if word <= Id::MAX_NUMBER {
                    numbers = numbers.max(word + 1);
                    continue;
                }
                match IdWord::from_word(word)? {
                    IdWord::Text { start, len } if start + len > texts.len() as u64 => {
                        return Err(corrupt("an id lies beyond the texts").into());
                    }
                    _ => {}
                }
            }
            if bound & !nodes != 0 {
                return Err(corrupt(format_args!(
                    "of slots {} to {} one has an id and no node",
                    64 * at,
                    64 * at + 63
                ))
                .into());
            }
            live.insert_word(at, bound);
            parts.tombstones.add_word(at, bound, nodes & !bound);
        }
        if parts.ids.map(slots, [words, texts], live.count(), numbers)?.is_none() {
            return Err(corrupt("there are not as many ids as slots").into());
        }
        for at in 0..slots.div_ceil(64) {
            for slot in slots_of_word(at, !parts.graph.node_word(at)).take_while(|slot| slot.index() < slots) {
                parts.ids.release(slot);
            }
        }
        Ok(live)
    }

    /// Takes the expiries of the records, if there are any.
    fn take_expiries(&mut self, slots: usize, words: &[u8]) -> Result<(), Error> {
        if words.is_empty() {
            return Ok(());
        }
        if words.len() != slots * size_of::<f64>() {
            return Err(corrupt("there are not as many moments as slots").into());
        }
        let (words, _) = words.as_chunks();
        for (&word, slot) in words.iter().zip((0..).map(Slot)) {
            self.take_expiry(slot, word, slots)?;
        }
        Ok(())
    }
}
