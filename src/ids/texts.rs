//! The string ids, without gaps: the last one takes the place of one that is removed, so that their room follows their
//! number, and neither a list of free places nor a compaction is needed.

use crate::types::{Id, OutOfMemory};
use crate::wipe::wipe;

const CHUNK_TEXTS: usize = 1024;

/// Strings as whole ids, so that one can be borrowed as an `&Id`. They lie in chunks, so that growing copies no more
/// than one of those.
#[derive(Debug)]
pub(super) struct Texts {
    /// All but the last are full. An empty one may follow it, as room for the next text.
    chunks: Vec<Vec<Id>>,
    count: usize,
    bytes: usize,
}

impl Drop for Texts {
    fn drop(&mut self) {
        if cfg!(not(target_arch = "wasm32")) {
            self.chunks.drain(..).flatten().for_each(wipe_id);
        }
    }
}

impl Texts {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), count: 0, bytes: 0 }
    }

    pub(super) fn get(&self, at: usize) -> Option<&Id> {
        self.chunks.get(at / CHUNK_TEXTS)?.get(at % CHUNK_TEXTS)
    }

    pub(super) fn last(&self) -> Option<&Id> {
        self.get(self.count.checked_sub(1)?)
    }

    /// Makes room for one more.
    pub(super) fn reserve(&mut self) -> Result<(), OutOfMemory> {
        let at = self.count / CHUNK_TEXTS;
        if at == self.chunks.len() {
            self.chunks.try_reserve(1)?;
            self.chunks.push(Vec::new());
        }
        Ok(self.chunks[at].try_reserve(1)?)
    }

    /// Appends a string and returns its place. Needs a [`Texts::reserve`] before it.
    pub(super) fn push(&mut self, id: Id) -> usize {
        if let Id::Text(text) = &id {
            self.bytes += text.len();
        }
        let at = self.count;
        self.chunks[at / CHUNK_TEXTS].push(id);
        self.count += 1;
        at
    }

    /// Frees the string at `at`, and moves the last one to its place.
    pub(super) fn swap_remove(&mut self, at: usize) {
        self.count -= 1;
        let Some(mut gone) = self.chunks[self.count / CHUNK_TEXTS].pop() else { return };
        if at < self.count {
            core::mem::swap(&mut gone, &mut self.chunks[at / CHUNK_TEXTS][at % CHUNK_TEXTS]);
        }
        if let Id::Text(text) = &gone {
            self.bytes -= text.len();
        }
        wipe_id(gone);
        // The chunk that the next text goes into stays, so reserved room stays reserved.
        self.chunks.truncate(self.count / CHUNK_TEXTS + 1);
    }

    /// Gives back all spare room.
    pub(super) fn shrink(&mut self) {
        self.chunks.truncate(self.count.div_ceil(CHUNK_TEXTS));
        if let Some(last) = self.chunks.last_mut() {
            last.shrink_to_fit();
        }
        self.chunks.shrink_to_fit();
    }

    /// Bytes held: the strings, their places, and spare room.
    pub(super) fn resident_bytes(&self) -> usize {
        let ids: usize = self.chunks.iter().map(bytes_of).sum();
        self.chunks.capacity() * size_of::<Vec<Id>>() + ids + self.bytes
    }

    /// How many strings are held, and their bytes, each counted anew.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) fn held(&self) -> (usize, usize) {
        let texts = self.chunks.iter().flatten().map(|id| if let Id::Text(text) = id { text.len() } else { 0 });
        let held = (texts.clone().count(), texts.sum());
        assert_eq!(held, (self.count, self.bytes));
        held
    }
}

/// Frees an id after overwriting it natively, if it is a string.
#[inline]
pub(crate) fn wipe_id(id: Id) {
    if cfg!(not(target_arch = "wasm32"))
        && let Id::Text(text) = id
    {
        wipe(&mut text.into_boxed_bytes());
    }
}

/// Not inlined: the compiler would vectorize sums of such numbers, which is fast but long (size).
#[inline(never)]
const fn bytes_of(chunk: &Vec<Id>) -> usize {
    chunk.capacity() * size_of::<Id>()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(number: usize) -> Id {
        Id::Text(format!("document {number:06}").into())
    }

    fn filled(count: usize) -> Texts {
        let mut texts = Texts::new();
        for number in 0..count {
            texts.reserve().unwrap();
            let held = texts.resident_bytes();
            assert_eq!(texts.push(text(number)), number);
            assert_eq!(texts.resident_bytes(), held + 15, "only the string itself, which is the caller's allocation");
        }
        texts
    }

    #[test]
    fn room_follows_the_number_of_texts() {
        let mut texts = filled(10_000);
        let mut held = texts.resident_bytes();
        while texts.count > 1500 {
            let (at, last) = (texts.count / 3, texts.last().cloned());
            texts.swap_remove(at);
            assert_eq!(texts.get(at), last.as_ref());
            assert!(texts.resident_bytes() + 15 <= held, "never more, and a string less");
            held = texts.resident_bytes();
        }
        assert_eq!(texts.held(), (1500, 1500 * 15));
        assert!(held < 1500 * 15 + 2 * CHUNK_TEXTS * size_of::<Id>() + 1024, "{held}");
        texts.shrink();
        assert_eq!(texts.resident_bytes(), 1500 * (15 + size_of::<Id>()) + 2 * size_of::<Vec<Id>>());
        (0..1500).for_each(|_| texts.swap_remove(0));
        texts.shrink();
        assert_eq!(texts.resident_bytes(), 0);
    }

    #[test]
    fn removing_leaves_the_room_that_was_reserved() {
        for count in [1, CHUNK_TEXTS - 1, CHUNK_TEXTS, CHUNK_TEXTS + 1] {
            let mut texts = filled(count);
            texts.reserve().unwrap();
            texts.swap_remove(count / 2);
            let held = texts.resident_bytes();
            texts.push(text(count));
            assert_eq!(texts.resident_bytes(), held + 15, "{count}");
        }
    }

    #[test]
    fn growing_copies_no_more_than_a_chunk() {
        let mut texts = filled(5 * CHUNK_TEXTS);
        texts.reserve().unwrap();
        for chunk in &texts.chunks {
            assert!(chunk.capacity() <= CHUNK_TEXTS);
        }
    }
}
