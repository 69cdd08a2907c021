//! Bridging: when a node leaves, its neighbours are linked to one another across the gap.
//!
//! As in IP-DiskANN (arXiv 2502.13826), a deleted node's neighbours take their new links from one another. Here the
//! distances between them are computed once, for both ends of each pair. A node gets a link to the nearest of the
//! others that it is not linked to yet, unless one of them that it is linked to is nearer to that: the selection
//! heuristic, as far as these distances tell. The link is made in both directions. Nodes leave one after the other, so
//! where many leave together, what one of them led to is passed on to the next ([`ENOUGH_STAYING`]).
//!
//! A twin of the leaving node is its heir: it lies in the same place, and few other links lead to a set of twins.
//!
//! A link to the leaving node stays if it is not returned, if it is returned behind the first [`MOST_BRIDGED`] links,
//! or if no neighbour is fit to take its place. Those are left to [`Graph::relink`], which drops them if they are few.

use super::links::{END, Graph, target};
use super::search::neighbours;
use crate::quantize::{Point, Space};
use crate::types::{Distance, Level, Slot};

/// The most neighbours that are bridged: those at the front of a list, which are the node's own choice.
const MOST_BRIDGED: usize = 24;

/// If fewer neighbours than this stay, those that will leave later are bridged as well.
const ENOUGH_STAYING: usize = 12;

/// Places for neighbours: a power of two, because the last bits of a key name the place. Every place is taken modulo
/// this, which spares checks of bounds (size).
const PLACES: usize = 32;

/// For each pair of neighbours, by their places, the key of the second; [`UNKNOWN`] if it was not needed.
type Pairs = [[i32; PLACES]; PLACES];

/// Above every key but those of distances that are all but infinite, which are no reason for a link. Its bytes are
/// equal, so that a table is filled in one instruction (size).
const UNKNOWN: i32 = 0x7f7f_7f7f;

/// Orders places by distance, ties by place: the upper bits of the distance, then the place. Whole numbers, because the
/// least of a row of them is found by vector instructions, and the least of a row of floats is not.
pub(super) fn key(distance: Distance, place: usize) -> i32 {
    let bits = distance.to_bits().cast_signed();
    let ordered = if bits < 0 { bits ^ i32::MAX } else { bits };
    (ordered & !(PLACES as i32 - 1)) | place as i32
}

pub(super) const fn place(key: i32) -> usize {
    key as usize % PLACES
}

/// The neighbours of a leaving node on one level.
struct Gap {
    slots: [Slot; PLACES],
    count: usize,
    /// A neighbour that lies in the same place as the leaving node.
    heir: Option<Slot>,
}

impl Graph {
    /// Links the neighbours of a leaving node, which must have no tree links, to one another instead of to it, on all
    /// of its levels. Its own links stay, so that it can still be walked through.
    ///
    /// Nodes leave in ascending order of their slots. Fewer than `MOST_BRIDGED`² / 2 distances on each level.
    pub(crate) fn bridge(
        &mut self,
        space: &dyn Space,
        slot: Slot,
        is_leaving: &dyn Fn(Slot) -> bool,
        buffer: &mut Point,
    ) {
        let Some(top) = self.level(slot) else { return };
        for level in (0..=top.0).map(Level) {
            let gap = self.gap(space, slot, level, is_leaving);
            self.bridge_gap(space, slot, level, gap, buffer);
        }
    }

    fn gap(&self, space: &dyn Space, slot: Slot, level: Level, is_leaving: &dyn Fn(Slot) -> bool) -> Gap {
        let mut gap = Gap { slots: [Slot::NONE; PLACES], count: 0, heir: None };
        for (leaves, most) in [(false, MOST_BRIDGED), (true, ENOUGH_STAYING)] {
            for other in neighbours(self.list(slot, level)) {
                // A lower slot that was leaving has left.
                if is_leaving(other) != leaves || (leaves && other < slot) {
                    continue;
                }
                if gap.count < most {
                    gap.slots[gap.count % PLACES] = other;
                    gap.count += 1;
                }
                if gap.heir.is_none() && space.are_twins(slot, other) {
                    gap.heir = Some(other);
                }
            }
        }
        gap
    }

    #[inline(never)]
    fn bridge_gap(&mut self, space: &dyn Space, slot: Slot, level: Level, gap: Gap, buffer: &mut Point) {
        let Gap { mut slots, count, heir } = gap;
        // Those that lose a link come first. Distances between two others stay unknown: few of them would decide
        // anything.
        let mut losers = 0;
        for at in 0..count {
            if self.leads_to(slots[at % PLACES], level, slot) {
                slots.swap(at % PLACES, losers % PLACES);
                losers += 1;
            }
        }
        let mut pairs: Pairs = [[UNKNOWN; PLACES]; PLACES];
        let mut distances = [0.0; PLACES];
        for at in 0..losers {
            let others = slots.get(at + 1..count).unwrap_or_default();
            space.around_coarse(slots[at % PLACES], buffer).score_all(others, &mut distances);
            for (other, &distance) in (at + 1..count).zip(&distances) {
                pairs[at % PLACES][other % PLACES] = key(distance, other);
                pairs[other % PLACES][at % PLACES] = key(distance, at);
            }
        }
        for at in 0..losers {
            let here = slots[at % PLACES];
            let there = heir.filter(|&heir| !self.leads_to(here, level, heir) && !space.are_twins(here, heir));
            let there = there.or_else(|| self.choose(space, level, &pairs, at, &slots));
            if let Some(there) = there {
                self.link_instead(here, level, slot, there);
                if !self.leads_to(there, level, here) {
                    self.link_instead(there, level, slot, here);
                }
            }
        }
    }

    /// The node that the one at a place should be linked to: the nearest that it is not linked to yet, unless another
    /// that it is linked to is known to be nearer to that.
    fn choose(
        &self,
        space: &dyn Space,
        level: Level,
        pairs: &Pairs,
        at: usize,
        slots: &[Slot; PLACES],
    ) -> Option<Slot> {
        let here = slots[at % PLACES];
        let mut keys = pairs[at % PLACES];
        let mut linked = 0u32;
        loop {
            let least = keys.iter().fold(UNKNOWN, |least, &key| least.min(key));
            if least == UNKNOWN {
                return None;
            }
            let to = place(least);
            keys[to] = UNKNOWN;
            if self.leads_to(here, level, slots[to]) {
                linked |= 1 << to;
                continue;
            }
            // Keys of one place differ by their distances alone.
            let (mut others, mut is_refused) = (linked, false);
            while others != 0 {
                is_refused |= pairs[others.trailing_zeros() as usize % PLACES][to] < least;
                others &= others - 1;
            }
            if !is_refused && !space.are_twins(here, slots[to]) {
                return Some(slots[to]);
            }
        }
    }

    /// Returns whether a node has a link to another. Reads all of the list, which takes fewer instructions than
    /// stopping.
    #[inline(never)]
    fn leads_to(&self, from: Slot, level: Level, to: Slot) -> bool {
        self.list(from, level).iter().fold(false, |found, &link| found | (target(link) == to))
    }

    /// Links `here` to `there`, in the place of its link to `gone` if there is one, or else if its list has room.
    #[inline(never)]
    fn link_instead(&mut self, here: Slot, level: Level, gone: Slot, there: Slot) {
        let list = self.list_mut(here, level);
        let at = list.iter().position(|&link| link == gone.0).or_else(|| list.iter().position(|&link| link == END));
        if let Some(link) = at.and_then(|at| list.get_mut(at)) {
            *link = there.0;
        }
    }
}
