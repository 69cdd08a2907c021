//! The memory that values are read into.

use crate::types::OutOfMemory;
use crate::wipe::wipe;
use core::ops::Range;
use std::borrow::Cow;

/// Values that were read together. The next read replaces them.
///
/// A store may put them into memory that is kept between reads: fresh memory costs as much again as the read itself,
/// because the system provides it page by page.
#[derive(Debug, Default)]
pub struct Room {
    /// How many bytes of memory may be kept between reads.
    #[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "native stores give values by themselves"))]
    stays: usize,
    bytes: Vec<u8>,
    /// For each value, its range in `bytes`, or an empty range if it has memory of its own in `values`.
    places: Vec<Range<usize>>,
    values: Vec<Option<Vec<u8>>>,
}

impl Room {
    /// Makes a room for several reads that keeps its memory between them. `bytes` is their total length.
    pub const fn that_stays(bytes: u64) -> Self {
        let stays = if bytes < MOST_BYTES as u64 { bytes as usize } else { MOST_BYTES };
        Self { stays, bytes: Vec::new(), places: Vec::new(), values: Vec::new() }
    }

    /// Takes ownership of values that each have their own memory, replacing the previous values.
    pub fn own(&mut self, values: Vec<Option<Vec<u8>>>) {
        self.wipe();
        self.places.clear();
        self.values = values;
    }

    /// Overwrites the values, because they may contain records that are deleted later.
    fn wipe(&mut self) {
        for value in &mut self.values {
            wipe(value.as_deref_mut().unwrap_or_default());
        }
    }

    /// The number of values, including those that were not found.
    pub(crate) const fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns whether the value at this position was found.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.values.get(at).is_some_and(Option::is_some)
    }

    /// Joins these values, all of which must have been found. Values that are adjacent in memory are borrowed, not
    /// copied.
    pub(crate) fn joined(&self, pieces: Range<usize>) -> Result<Cow<'_, [u8]>, OutOfMemory> {
        let places = self.places.get(pieces.clone()).unwrap_or_default();
        let mut end = places.first().map_or(0, |first| first.start);
        let mut follows =
            |place: &Range<usize>| !place.is_empty() && core::mem::replace(&mut end, place.end) == place.start;
        if let (Some(first), Some(last)) = (places.first(), places.last())
            && places.iter().all(&mut follows)
        {
            return Ok(Cow::Borrowed(self.bytes.get(first.start..last.end).unwrap_or_default()));
        }
        if pieces.len() == 1 {
            return Ok(Cow::Borrowed(self.piece(pieces.start)));
        }
        // Reserve all memory at once: a growing vector moves and leaves a copy behind.
        let mut joined = Vec::new();
        joined.try_reserve_exact(pieces.clone().map(|at| self.piece(at).len()).sum())?;
        for at in pieces {
            joined.extend_from_slice(self.piece(at));
        }
        Ok(Cow::Owned(joined))
    }

    /// Overwrites these values and frees those that have their own memory.
    pub(crate) fn free(&mut self, pieces: Range<usize>) {
        for value in self.values.get_mut(pieces).unwrap_or_default() {
            wipe(value.as_deref_mut().unwrap_or_default());
            *value = None;
        }
    }

    fn piece(&self, at: usize) -> &[u8] {
        match self.places.get(at) {
            Some(place) if !place.is_empty() => self.bytes.get(place.clone()).unwrap_or_default(),
            _ => self.values.get(at).and_then(Option::as_deref).unwrap_or_default(),
        }
    }

    /// Drops all values and makes room for `count` others. Returns the kept memory if `is_used`, otherwise an empty
    /// slice; also an empty slice if no memory may be kept or none can be allocated.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn cleared(&mut self, count: usize, is_used: bool) -> Result<&mut [u8], OutOfMemory> {
        self.values.clear();
        self.places.clear();
        self.values.try_reserve(count)?;
        self.places.try_reserve(count)?;
        if is_used && self.bytes.is_empty() && self.bytes.try_reserve_exact(self.stays).is_ok() {
            self.bytes.resize(self.stays, 0);
        }
        Ok(if is_used { &mut self.bytes } else { &mut [] })
    }

    /// Returns the kept memory, whether or not [`Room::cleared`] returned it.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Adds a value at a range of the kept memory. An empty range means that [`Room::without_place`] sets the value.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn push(&mut self, place: Range<usize>) {
        self.values.push((!place.is_empty()).then(Vec::new));
        self.places.push(place);
    }

    /// Returns the value at this position, if it has no range in the kept memory.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn without_place(&mut self, at: usize) -> Option<&mut Option<Vec<u8>>> {
        if self.places.get(at)?.is_empty() { self.values.get_mut(at) } else { None }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// The most bytes of memory that may be kept: as much as is read at once, with a margin for larger values.
const MOST_BYTES: usize = 5 << 20;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn room() -> Room {
        let own = |text: &str| Some(text.as_bytes().to_vec());
        let values = vec![own(""), own(""), own("own"), own(""), None, own(""), own("last")];
        let places = vec![0..2, 2..4, 0..0, 4..6, 0..0, 7..9];
        Room { stays: 10, bytes: b"abcdefghij".to_vec(), places, values }
    }

    /// Each piece comes from its place, and adjacent pieces are borrowed.
    #[test]
    fn pieces_are_joined_wherever_they_are() {
        let room = room();
        let joined = |pieces| (*room.joined(pieces).unwrap()).to_vec();
        assert_eq!(joined(0..2), b"abcd");
        assert!(matches!(room.joined(0..2), Ok(Cow::Borrowed(_))));
        assert_eq!(joined(1..2), b"cd");
        assert_eq!(joined(0..4), b"abcdownef");
        assert_eq!(joined(2..3), b"own");
        assert_eq!(joined(3..6), b"efhi", "with a hole between");
        assert_eq!(joined(5..7), b"hilast");
        assert_eq!(joined(6..7), b"last");
        assert_eq!(joined(3..3), b"");
        assert!(room.has(3) && !room.has(4) && !room.has(7));
    }

    #[test]
    fn what_is_owned_takes_the_place_of_all_that_was() {
        let mut room = room();
        room.own(vec![Some(vec![7]), Some(vec![8])]);
        assert_eq!(*room.joined(0..2).unwrap(), [7, 8]);
        assert_eq!(room.len(), 2);
        room.free(0..1);
        assert!(!room.has(0) && room.has(1));
    }
}
