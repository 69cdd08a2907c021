//! The id in each slot, in eight bytes per slot.
//!
//! A number is stored as its word. A string's word gives its place among the texts: a string stored in its slot would
//! make every slot as wide as one, even in an index of numbers.

use std::borrow::Cow;

use super::texts::Texts;
#[cfg(feature = "mmap")]
use crate::format::IdWord;
use crate::segments::{Changes, Rows};
use crate::types::{Id, OutOfMemory, Slot};

/// The word of a slot without an id. A number has the top bit clear, and no text lies this far.
const UNBOUND: u64 = u64::MAX;
/// Marks the place of a text.
const TEXT: u64 = 1 << 63;

/// The ids by slot.
#[derive(Debug)]
pub(super) struct BySlot {
    /// Words in halves, the lower first: another type of row would add its code to the shipped wasm (size).
    words: Rows<u32>,
    texts: Texts,
    /// The texts of a mapped file, which the words of that file point to.
    #[cfg(feature = "mmap")]
    mapped: bytes::Bytes,
}

impl BySlot {
    pub(super) const fn new() -> Self {
        Self {
            words: Rows::new(2),
            texts: Texts::new(),
            #[cfg(feature = "mmap")]
            mapped: bytes::Bytes::new(),
        }
    }

    /// Borrows the ids of an exported file until they change: a word of eight bytes for each slot, and the texts. Words
    /// of mapped texts include a length, unlike those of places in [`Texts`]. Returns `None` unless there are `len`
    /// words.
    #[cfg(feature = "mmap")]
    pub(super) fn map(&mut self, len: usize, words: &bytes::Bytes, texts: bytes::Bytes) -> Option<()> {
        self.words = self.words.map(len, words)?;
        self.mapped = texts;
        Some(())
    }

    /// A text of the mapped file; `None` if the word is not of such a text, or does not lead to valid UTF-8.
    #[cfg(feature = "mmap")]
    fn mapped(&self, word: u64) -> Option<Id> {
        let Ok(IdWord::Text { start, len }) = IdWord::from_word(word) else { return None };
        let start = usize::try_from(start).ok()?;
        let text = self.mapped.get(start..start.checked_add(len as usize)?)?;
        Some(Id::Text(str::from_utf8(text).ok()?.into()))
    }

    #[cfg(not(feature = "mmap"))]
    #[expect(clippy::unused_self, reason = "there is nothing mapped without the feature")]
    const fn mapped(&self, _: u64) -> Option<Id> {
        None
    }

    /// The number of slots, with and without ids.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.words.len()
    }

    /// Makes room for the slots `0..len` and for one more text.
    pub(super) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.words.reserve(len)?;
        self.texts.reserve()
    }

    /// Adds slots without ids up to `len`.
    pub(super) fn extend(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.words.reserve(len)?;
        self.words.resize(len, u32::MAX);
        Ok(())
    }

    /// Makes room for one more text.
    pub(super) fn reserve_text(&mut self) -> Result<(), OutOfMemory> {
        self.texts.reserve()
    }

    /// Appends a slot without an id. Needs a [`BySlot::reserve`] before it.
    pub(super) fn push(&mut self) {
        self.words.resize(self.len() + 1, u32::MAX);
    }

    /// The id in `slot`; `None` if it has none or is out of range.
    pub(super) fn get(&self, slot: Slot) -> Option<Cow<'_, Id>> {
        match self.word(slot) {
            UNBOUND => None,
            number if number & TEXT == 0 => Some(Cow::Owned(Id::Number(number))),
            text if is_mapped(text) => self.mapped(text).map(Cow::Owned),
            text => self.texts.get(place(text)).map(Cow::Borrowed),
        }
    }

    /// Gives `slot`, which is below `len` and has no id, its id. Needs a [`BySlot::reserve`] before it.
    pub(super) fn set(&mut self, slot: Slot, id: Id) {
        let word = match id {
            Id::Number(number) => number,
            Id::Text(_) => TEXT | self.texts.push(id) as u64,
        };
        self.put(slot, word);
    }

    /// The text that moves when `slot`'s is removed: the last one, perhaps its own. `None` if it has none in [`Texts`].
    pub(super) fn moving_with(&self, slot: Slot) -> Option<&Id> {
        let word = self.word(slot);
        if word == UNBOUND || word & TEXT == 0 || is_mapped(word) { None } else { self.texts.last() }
    }

    /// Removes the id of `slot`, which must have one. If it is a string, the last text moves to its place, and `last`
    /// must be the slot of that text: perhaps `slot` itself.
    pub(super) fn remove(&mut self, slot: Slot, last: Slot) {
        let word = self.word(slot);
        if word & TEXT != 0 && !is_mapped(word) {
            self.put(last, word);
            self.texts.swap_remove(place(word));
        }
        self.put(slot, UNBOUND);
    }

    /// Exchanges the ids of two slots below `len`.
    pub(super) fn swap(&mut self, a: Slot, b: Slot) {
        let word = self.word(a);
        self.put(a, self.word(b));
        self.put(b, word);
    }

    /// Drops the slots at and above `len`, which have no ids, and all spare room.
    pub(super) fn truncate(&mut self, len: usize) {
        self.words.resize(len, u32::MAX);
        self.texts.shrink();
    }

    pub(super) const fn changes_mut(&mut self) -> &mut Changes {
        self.words.changes_mut()
    }

    /// Bytes held, spare room included.
    pub(super) fn resident_bytes(&self) -> usize {
        self.words.resident_bytes() + self.texts.resident_bytes()
    }

    fn word(&self, slot: Slot) -> u64 {
        if slot.index() >= self.len() {
            return UNBOUND;
        }
        let halves = self.words.row(slot);
        u64::from(halves[1]) << 32 | u64::from(halves[0])
    }

    fn put(&mut self, slot: Slot, word: u64) {
        self.words.row_mut(slot).copy_from_slice(&[word as u32, (word >> 32) as u32]);
    }
}

/// Returns whether a text's word includes a length, which means that the text lies in a mapped file.
const fn is_mapped(word: u64) -> bool {
    cfg!(feature = "mmap") && word >> 48 & 0x7FFF != 0
}

/// The place among the texts that a word gives.
const fn place(word: u64) -> usize {
    (word & !TEXT) as usize
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pages::Pages;
    use crate::segments::Run;
    use proptest::prelude::*;

    fn id() -> impl Strategy<Value = Id> {
        prop_oneof![
            prop_oneof![0u64..9, Just(Id::MAX_NUMBER), Just(u64::from(u32::MAX)), Just(1 << 32)].prop_map(Id::Number),
            "[a-z]{1,9}".prop_map(|text| Id::Text(text.into())),
        ]
    }

    fn remove(by_slot: &mut BySlot, model: &[Option<Id>], slot: usize) {
        let slot_of = |id: &Id| model.iter().position(|held| held.as_ref() == Some(id));
        let last = by_slot.moving_with(Slot(slot as u32)).map(|id| slot_of(id).unwrap());
        assert_eq!(last.is_some(), matches!(model[slot], Some(Id::Text(_))));
        by_slot.remove(Slot(slot as u32), Slot(last.unwrap_or(slot) as u32));
    }

    proptest! {
        /// Each step gives a slot an id, or takes its id, or exchanges it with another, or drops the slots from one on.
        #[test]
        fn every_slot_keeps_its_id(steps in prop::collection::vec((0usize..24, 0usize..24, 0u8..8, id()), 1..120)) {
            let (mut by_slot, mut model) = (BySlot::new(), Vec::<Option<Id>>::new());
            for (slot, other, kind, id) in steps {
                if kind == 0 {
                    for at in slot..model.len() {
                        if model[at].is_some() {
                            remove(&mut by_slot, &model, at);
                            model[at] = None;
                        }
                    }
                    model.truncate(slot);
                    by_slot.truncate(model.len());
                }
                by_slot.reserve(slot.max(other) + 1).unwrap();
                while model.len() <= slot.max(other) {
                    by_slot.push();
                    model.push(None);
                }
                match kind {
                    1..5 if model[slot].is_none() && !model.contains(&Some(id.clone())) => {
                        by_slot.set(Slot(slot as u32), id.clone());
                        model[slot] = Some(id);
                    }
                    5 if model[slot].is_some() => {
                        remove(&mut by_slot, &model, slot);
                        model[slot] = None;
                    }
                    6 => {
                        by_slot.swap(Slot(slot as u32), Slot(other as u32));
                        model.swap(slot, other);
                    }
                    _ => {}
                }
                prop_assert_eq!(by_slot.len(), model.len());
                for (at, id) in model.iter().enumerate() {
                    assert_eq!(by_slot.get(Slot(at as u32)).as_deref(), id.as_ref());
                }
                assert_eq!(by_slot.get(Slot(model.len() as u32)), None);
                let texts = model.iter().flatten().filter_map(|id| if let Id::Text(text) = id { Some(text) } else { None });
                prop_assert_eq!(by_slot.texts.held(), (texts.clone().count(), texts.map(|text| text.len()).sum()));
            }
        }
    }

    #[test]
    fn a_number_costs_eight_bytes() {
        const SLOTS: usize = 64 * 1024;
        let mut by_slot = BySlot::new();
        for at in 0..SLOTS {
            by_slot.reserve(at + 1).unwrap();
            by_slot.push();
            by_slot.set(Slot(at as u32), Id::Number(Id::MAX_NUMBER - at as u64));
        }
        // Beside the words: the table of their segments, and the room for one text.
        let tables = by_slot.resident_bytes() - 8 * SLOTS;
        assert!(tables < 4096, "{tables}");
        by_slot.truncate(SLOTS);
        assert_eq!(by_slot.resident_bytes(), 8 * SLOTS + SLOTS / 1024 * (size_of::<Run<u32, Pages<u32>>>() + 1));
    }
}
