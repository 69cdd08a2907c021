//! A copy of a neighbour list, for changing lists while reading one. It lies on the stack, so that changes that must
//! not stop half-way cannot run out of memory.

use super::MOST_LINKS;
use core::ops::{Deref, DerefMut};

/// Links, or slots, of one list.
#[derive(Debug)]
pub(super) struct ListCopy {
    items: [u32; MOST_LINKS],
    len: usize,
}

impl ListCopy {
    pub(super) const fn new() -> Self {
        Self { items: [0; MOST_LINKS], len: 0 }
    }

    /// Adds an item. No list is longer than the room here.
    pub(super) fn push(&mut self, item: u32) {
        if let Some(place) = self.items.get_mut(self.len) {
            *place = item;
            self.len += 1;
        }
    }
}

impl Deref for ListCopy {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.items[..self.len]
    }
}

impl DerefMut for ListCopy {
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut self.items[..self.len]
    }
}

impl FromIterator<u32> for ListCopy {
    fn from_iter<I: IntoIterator<Item = u32>>(items: I) -> Self {
        let mut copy = Self::new();
        items.into_iter().for_each(|item| copy.push(item));
        copy
    }
}
