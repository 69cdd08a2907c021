//! Which nodes are the first of their code.

use super::nodes::Nodes;
use crate::quantize::BlockSpace;
use crate::types::OutOfMemory;

/// A place where no member is.
const FREE: u32 = u32::MAX;

/// A hash table of the members found so far, by what a score reads.
#[derive(Debug)]
pub(super) struct Firsts {
    places: Vec<u32>,
    /// How many later nodes have the code of each member, up to 255.
    twins: Vec<u8>,
    /// The largest of these counts.
    most_twins: u8,
}

impl Firsts {
    pub(super) const fn resident_bytes(&self) -> usize {
        self.places.capacity() * size_of::<u32>() + self.twins.capacity()
    }

    /// Room for so many nodes, with as many places again to spare.
    pub(super) fn new(nodes: usize) -> Result<Self, OutOfMemory> {
        let mut places = Vec::new();
        let count = (2 * nodes).next_power_of_two();
        places.try_reserve_exact(count)?;
        places.resize(count, FREE);
        let mut twins = Vec::new();
        twins.try_reserve_exact(nodes)?;
        twins.resize(nodes, 0);
        Ok(Self { places, twins, most_twins: 0 })
    }

    /// How many nodes at most have the code of an earlier one in common; 255 stands for all larger numbers.
    pub(super) const fn most_twins(&self) -> u8 {
        self.most_twins
    }

    /// Returns whether the node of an index is the first of its code, which makes it a member, and notes it.
    pub(super) fn is_first(&mut self, space: &dyn BlockSpace, index: u32, nodes: &Nodes) -> bool {
        let here = nodes.slot(index);
        let mut at = space.fingerprint(here) as usize;
        loop {
            at &= self.places.len() - 1;
            match self.places[at] {
                FREE => {
                    self.places[at] = index;
                    return true;
                }
                other if space.are_twins(nodes.slot(other), here) => {
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
