//! Which nodes are the first of their code.

use crate::quantize::BlockSpace;
use crate::types::{OutOfMemory, Slot};

/// A place where no member is.
const FREE: u32 = u32::MAX;

/// A hash table of the members seen so far that are the first of their code, by what a score reads.
#[derive(Debug)]
pub(super) struct Firsts {
    places: Vec<u32>,
    /// How many later members have the code of each first one, up to 255.
    twins: Vec<u8>,
    /// The largest of these numbers.
    most_twins: u8,
}

impl Firsts {
    pub(super) const fn resident_bytes(&self) -> usize {
        self.places.capacity() * size_of::<u32>() + self.twins.capacity()
    }

    /// Room for so many members, with as many places again to spare.
    pub(super) fn new(members: usize) -> Result<Self, OutOfMemory> {
        let mut places = Vec::new();
        let count = (2 * members).next_power_of_two();
        places.try_reserve_exact(count)?;
        places.resize(count, FREE);
        let mut twins = Vec::new();
        twins.try_reserve_exact(members)?;
        twins.resize(members, 0);
        Ok(Self { places, twins, most_twins: 0 })
    }

    /// How many members at most have the code of an earlier one in common; 255 stands for all larger numbers.
    pub(super) const fn most_twins(&self) -> u8 {
        self.most_twins
    }

    /// Returns whether a member is the first of its code, and notes it.
    pub(super) fn is_first(&mut self, space: &dyn BlockSpace, member: u32, slot: impl Fn(u32) -> Slot) -> bool {
        let here = slot(member);
        let mut at = space.fingerprint(here) as usize;
        loop {
            at &= self.places.len() - 1;
            match self.places[at] {
                FREE => {
                    self.places[at] = member;
                    return true;
                }
                other if space.are_twins(slot(other), here) => {
                    let twins = &mut self.twins[other as usize];
                    *twins = twins.saturating_add(1);
                    self.most_twins = self.most_twins.max(*twins);
                    return false;
                }
                _ => at += 1,
            }
        }
    }
}
