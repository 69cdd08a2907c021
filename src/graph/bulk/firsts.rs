//! Which nodes are the first of their code.

use crate::quantize::BlockSpace;
use crate::types::{OutOfMemory, Slot};

/// A place where no member is.
const FREE: u32 = u32::MAX;

/// A hash table of the members seen so far that are the first of their code, by what a score reads.
#[derive(Debug)]
pub(super) struct Firsts(Vec<u32>);

impl Firsts {
    /// Room for so many members, with as many places again to spare.
    pub(super) fn new(members: usize) -> Result<Self, OutOfMemory> {
        let mut places = Vec::new();
        let count = (2 * members).next_power_of_two();
        places.try_reserve_exact(count)?;
        places.resize(count, FREE);
        Ok(Self(places))
    }

    /// Returns whether a member is the first of its code, and notes it if so.
    pub(super) fn is_first(&mut self, space: &dyn BlockSpace, member: u32, slot: impl Fn(u32) -> Slot) -> bool {
        let here = slot(member);
        let mut at = space.fingerprint(here) as usize;
        loop {
            at &= self.0.len() - 1;
            match self.0[at] {
                FREE => {
                    self.0[at] = member;
                    return true;
                }
                other if space.are_twins(slot(other), here) => return false,
                _ => at += 1,
            }
        }
    }
}
