//! Neighbour selection by the heuristic of the paper (Algorithm 4): a candidate is taken unless one that was taken
//! before is nearer to it than the node is, so that links lead in different directions.

use super::links::TREE;
use crate::order::sort_by_distance;
use crate::quantize::{Point, Scorer, Space};
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

/// What becomes of the places that the heuristic leaves empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gaps {
    Leave,
    /// The nearest candidates that it has refused take them, until so many are chosen in all.
    FillTo(usize),
}

/// Moves the chosen of the sorted `candidates` to the front, in order of distance, and returns how many there are: at
/// most `most`, unless more must be kept.
///
/// Computes at most `candidates.len() * most` distances, usually fewer: a refused candidate is not looked at again.
pub(super) fn select(
    space: &dyn Space,
    candidates: &mut [Neighbour],
    most: usize,
    gaps: Gaps,
    buffer: &mut Point,
) -> usize {
    let mut owed = candidates.iter().filter(|candidate| candidate.kept).count();
    // The candidates most likely to become fixed points are touched together: one after the other, each would be waited
    // for.
    for candidate in candidates.iter().take(2 * most) {
        space.touch_point(candidate.slot);
    }
    let mut chosen = 0;
    for at in 0..candidates.len() {
        let candidate = candidates[at];
        if candidate.kept {
            owed -= 1;
        } else if chosen + owed >= most || candidate.refused {
            continue;
        }
        // The refused keep their order behind the chosen.
        candidates[chosen..=at].rotate_right(1);
        chosen += 1;
        if chosen + owed < most {
            refuse(space.around(candidate.slot, buffer), &mut candidates[at + 1..]);
        }
    }
    if let Gaps::FillTo(enough) = gaps
        && chosen < enough
    {
        chosen = enough.min(candidates.len());
        sort(&mut candidates[..chosen]);
    }
    chosen
}

/// How many candidates are compared with a chosen one together.
const TOGETHER: usize = 32;

/// Refuses the candidates to which a chosen neighbour is nearer than the node is.
#[inline(never)]
fn refuse(chosen: Scorer<'_>, others: &mut [Neighbour]) {
    let mut from = 0;
    while from < others.len() {
        let (mut places, mut slots, mut distances) = ([0; TOGETHER], [Slot::NONE; TOGETHER], [0.0; TOGETHER]);
        let mut filled = 0;
        while from < others.len() && filled < TOGETHER {
            if !(others[from].kept || others[from].refused) {
                (places[filled], slots[filled]) = (from, others[from].slot);
                filled += 1;
            }
            from += 1;
        }
        chosen.score_all(&slots[..filled], &mut distances);
        for (&at, distance) in places[..filled].iter().zip(distances) {
            others[at].refused = distance < others[at].distance;
        }
    }
}
