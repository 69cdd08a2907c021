//! Whether members that are near one another join the same parts, so that comparing the members of each part finds
//! them.
//!
//! Vectors of embeddings gather in neighbourhoods, which share their nearest leaders. Vectors that fill a space of many
//! dimensions evenly do not: most of a member's neighbours are then in none of its parts, and inserts find more of
//! them.

use super::nearest::{Near, insert};
use super::nodes::Nodes;
use super::split::{Joined, NO_LEADER};
use crate::graph::levels::mix;
use crate::graph::search::Scratch;
use crate::metric::BURST;
use crate::quantize::BlockSpace;
use crate::types::Slot;

/// How many members are looked at.
const SAMPLES: usize = 24;
/// How many of the nearest of each.
const NEAREST: usize = 10;
/// How many other members a step compares one with.
const MEMBERS_A_STEP: usize = 8192;
/// The least share of the nearest that has to be in a part with the member, in hundredths.
const LEAST_SHARED: usize = 93;

/// A look at a sample of the members.
#[derive(Debug)]
pub(super) struct Probe {
    sample: usize,
    /// The position where the next step begins.
    at: usize,
    nearest: [Near; NEAREST],
    found: usize,
    shared: usize,
}

impl Probe {
    pub(super) const fn new() -> Self {
        Self { sample: 0, at: 0, nearest: [Near::NONE; NEAREST], found: 0, shared: 0 }
    }

    /// Does a step. Returns false when the last one is done.
    pub(super) fn step(
        &mut self,
        space: &dyn BlockSpace,
        members: &[u32],
        joined: &[Joined],
        nodes: &Nodes,
        scratch: &mut Scratch,
    ) -> bool {
        let drawn = mix(self.sample as u64).checked_rem(members.len() as u64).and_then(|at| members.get(at as usize));
        let Some(&member) = drawn.filter(|_| self.sample < SAMPLES) else { return false };
        let [point, _] = scratch.points_mut();
        space.fix_coarse(nodes.slot(member), point);
        let end = members.len().min(self.at + MEMBERS_A_STEP);
        for others in members[self.at..end].chunks(BURST) {
            let (mut slots, mut distances) = ([Slot(0); BURST], [0.0; BURST]);
            for (place, &other) in slots.iter_mut().zip(others) {
                *place = nodes.slot(other);
            }
            space.score(point, &slots[..others.len()], &mut distances);
            for (&other, distance) in others.iter().zip(distances) {
                let near = Near::new(distance, other);
                if other != member && near < self.nearest[NEAREST - 1] {
                    insert(&mut self.nearest, near);
                }
            }
        }
        self.at = end;
        if end == members.len() {
            let ours = joined.get(member as usize).copied().unwrap_or_default();
            let is_shared = |near: &&Near| {
                let theirs = joined.get(near.member() as usize);
                theirs.is_some_and(|theirs| theirs.iter().any(|leader| *leader != NO_LEADER && ours.contains(leader)))
            };
            self.found += self.nearest.iter().filter(|near| **near != Near::NONE).count();
            self.shared += self.nearest.iter().filter(|near| **near != Near::NONE).filter(is_shared).count();
            (self.sample, self.at, self.nearest) = (self.sample + 1, 0, [Near::NONE; NEAREST]);
        }
        true
    }

    /// Whether so many of the nearest are in a part with the member that a bulk build suits.
    pub(super) const fn suits(&self) -> bool {
        100 * self.shared >= LEAST_SHARED * self.found
    }
}
