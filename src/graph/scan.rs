//! The exact alternative to walking the graph, for when few nodes qualify: score each of them.

use super::pool::Pool;
use super::search::{Accept, Outcome, SearchSpace};
use super::twins::Twins;
use crate::quantize::Scorer;
use crate::slot_set::SlotSet;
use crate::types::{Candidate, OutOfMemory, Slot};

/// By how many standard deviations of its error a score may exceed the distance by whole codes.
const DEVIATIONS: f32 = 4.0;

/// Leaves in `pool` the `ef` nearest, by whole codes, of the live slots that may be returned. Linear in the number of
/// live slots. Searching and building share one compiled copy (size).
#[inline(never)]
pub(crate) fn scan(
    scorer: Scorer<'_>,
    live: &SlotSet,
    accept: &mut Accept<'_>,
    ef: usize,
    pool: &mut Pool,
) -> Result<(), OutOfMemory> {
    pool.begin(ef, ef, Twins::All)?;
    let (mut near, mut filled) = ([Candidate { distance: 0.0, slot: Slot::NONE }; TOGETHER], 0);
    score_each(scorer, live.iter().filter(|&slot| accept.passes(slot)), |candidate| {
        if pool.admits(candidate.distance - DEVIATIONS * scorer.error(candidate.slot)) {
            near[filled] = candidate;
            filled += 1;
        }
        if filled == TOGETHER {
            offer(scorer, &mut near, pool);
            filled = 0;
        }
    });
    offer(scorer, &mut near[..filled], pool);
    Ok(())
}

/// Adds those of `slots` that are near enough to the pool that a walk has left, by the distances that walks compare.
#[inline(never)]
pub(crate) fn join(scorer: Scorer<'_>, slots: impl Iterator<Item = Slot>, space: &mut SearchSpace<'_>) -> Outcome {
    let SearchSpace { visited, pool, .. } = space;
    // In a sound graph, a walk meets none of these slots.
    score_each(scorer, slots.filter(|&slot| !visited.contains(slot)), |Candidate { distance, slot }| {
        if pool.admits(distance) {
            pool.insert(distance, slot, true);
        }
    });
    if pool.is_overflowing() || pool.has_lost() { Outcome::Overflow } else { Outcome::Complete }
}

/// How many slots are scored together.
const TOGETHER: usize = 32;

/// Passes the distance to each slot to `put`.
#[inline]
pub(super) fn score_each(scorer: Scorer<'_>, mut slots: impl Iterator<Item = Slot>, mut put: impl FnMut(Candidate)) {
    let (mut group, mut distances) = ([Slot::NONE; TOGETHER], [0.0; TOGETHER]);
    loop {
        let mut filled = 0;
        for (place, slot) in group.iter_mut().zip(&mut slots) {
            *place = slot;
            filled += 1;
        }
        scorer.score_all(&group[..filled], &mut distances);
        for (&slot, distance) in group[..filled].iter().zip(distances) {
            put(Candidate { distance, slot });
        }
        if filled < TOGETHER {
            return;
        }
    }
}

/// Adds to the pool the slots that are near enough by whole codes. The codes are read together: one by one, each would
/// be waited for.
#[inline(never)]
fn offer(scorer: Scorer<'_>, near: &mut [Candidate], pool: &mut Pool) {
    scorer.refine(near);
    for &Candidate { distance, slot } in &*near {
        pool.insert(distance, slot, true);
    }
}
