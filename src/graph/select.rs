//! Neighbour selection by the heuristic of the paper (Algorithm 4): a candidate is taken unless one that was taken
//! before is nearer to it than the node is, so that links lead in different directions.

use super::links::TREE;
use crate::order::sort_by_distance;
use crate::quantize::{PointBuffer, Scorer, Space};
use crate::types::{Distance, Slot};

/// A candidate for a neighbour list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbour {
    pub(super) distance: Distance,
    pub(super) slot: Slot,
    /// Taken whatever the heuristic says: a tree link, or a link that a repair keeps.
    pub(super) kept: bool,
    /// A chosen neighbour is nearer to it than the node is.
    refused: bool,
    /// [`TREE`] for a tree link, else 0.
    pub(super) mark: u32,
}

impl Neighbour {
    pub(super) const fn link(self) -> u32 {
        self.slot.0 | self.mark
    }

    pub(super) const fn new(distance: Distance, slot: Slot) -> Self {
        Self::marked(distance, slot, false, 0)
    }

    pub(super) const fn marked(distance: Distance, slot: Slot, kept: bool, mark: u32) -> Self {
        Self { distance, slot, kept, refused: false, mark }
    }

    pub(super) const fn is_tree(self) -> bool {
        self.mark == TREE
    }
}

/// Orders candidates by distance, ties by slot.
pub(super) fn sort(candidates: &mut [Neighbour]) {
    sort_by_distance(candidates, |candidate| (candidate.distance, candidate.slot));
}

/// Moves the chosen of the sorted `candidates` to the front, in order of distance, and returns how many there are, at
/// most `most`. With `fill`, places that the heuristic leaves empty go to the nearest of those it refused.
///
/// Distances computed: at most candidates times `most`; fewer, because who has been refused is not looked at again.
pub(super) fn select<S: Space>(
    space: &S,
    candidates: &mut [Neighbour],
    most: usize,
    fill: bool,
    buffer: &mut PointBuffer,
) -> usize {
    let mut owed = candidates.iter().filter(|candidate| candidate.kept).count();
    // Making a fixed point costs as much as several distances, so whoever there are fewer of is one: the chosen, or,
    // where a few places of a list are to be filled again, the candidates for them.
    let is_refill = 2 * owed > most;
    if !is_refill {
        // Those most likely to be made fixed points; together, because one after the other each would be waited for.
        for candidate in candidates.iter().take(2 * most) {
            space.touch_point(candidate.slot);
        }
    }
    let mut chosen = 0;
    for at in 0..candidates.len() {
        let candidate = candidates[at];
        if candidate.kept {
            owed -= 1;
        } else if chosen + owed >= most
            || candidate.refused
            || (is_refill && !is_apart(space, candidate, &candidates[..chosen], buffer))
        {
            continue;
        }
        // The refused keep their order behind the chosen.
        candidates[chosen..=at].rotate_right(1);
        chosen += 1;
        if chosen + owed < most && !is_refill {
            refuse(&space.point(candidate.slot, buffer), &mut candidates[at + 1..]);
        }
    }
    if fill && chosen < most {
        chosen = most.min(candidates.len());
        sort(&mut candidates[..chosen]);
    }
    chosen
}

/// True when no chosen neighbour is nearer to the candidate than the node is, as far as coarse codes tell. They have been
/// read already, and a repair that compares a few candidates more by them keeps its recall in less time.
fn is_apart<S: Space>(space: &S, candidate: Neighbour, chosen: &[Neighbour], buffer: &mut PointBuffer) -> bool {
    if chosen.is_empty() {
        return true;
    }
    let point = space.coarse_point(candidate.slot, buffer);
    let mut groups = chosen.chunks_exact(4);
    for group in &mut groups {
        let distances = point.score4([0, 1, 2, 3].map(|i| group[i].slot));
        if distances.iter().any(|&distance| distance < candidate.distance) {
            return false;
        }
    }
    groups.remainder().iter().all(|other| point.score(other.slot) >= candidate.distance)
}

/// Refuses those to which a chosen neighbour is nearer than the node is.
#[inline(never)]
fn refuse(chosen: &impl Scorer, others: &mut [Neighbour]) {
    let mut group = [0; 4];
    let mut filled = 0;
    for at in 0..others.len() {
        if others[at].kept || others[at].refused {
            continue;
        }
        group[filled] = at;
        filled += 1;
        if filled == group.len() {
            let distances = chosen.score4(group.map(|at| others[at].slot));
            for (at, distance) in group.into_iter().zip(distances) {
                others[at].refused = distance < others[at].distance;
            }
            filled = 0;
        }
    }
    for &at in &group[..filled] {
        others[at].refused = chosen.score(others[at].slot) < others[at].distance;
    }
}
