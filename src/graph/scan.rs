//! The exact alternative to walking the graph, for when few nodes qualify: score each of them.

use super::pool::Pool;
use super::search::Accept;
use crate::quantize::Scorer;
use crate::tombstone::Tombstones;
use crate::types::{Candidate, OutOfMemory, Slot};

/// Leaves in `pool` the `ef` nearest of the live slots that may be returned. For searching and for building, so that the
/// two are one piece of code in the shipped wasm.
#[inline(never)]
pub(crate) fn scan_live(
    scorer: &impl Scorer,
    tombstones: &Tombstones,
    accept: &mut Accept<'_>,
    ef: usize,
    pool: &mut Pool,
) -> Result<(), OutOfMemory> {
    scan::<true>(scorer, tombstones.live_slots().iter().filter(|&slot| accept.passes(slot)), ef, pool)
}

/// How many standard deviations of a score's error a code may be nearer than its score.
const DEVIATIONS: f32 = 4.0;

/// Leaves in `pool` the `ef` nearest of `slots`: by whole codes where `WHOLE`, else by their scores. Linear in their number.
pub(super) fn scan<const WHOLE: bool>(
    scorer: &impl Scorer,
    slots: impl Iterator<Item = Slot>,
    ef: usize,
    pool: &mut Pool,
) -> Result<(), OutOfMemory> {
    pool.begin(ef, ef)?;
    let mut group = [Slot::NONE; 4];
    let mut filled = 0;
    for slot in slots {
        group[filled] = slot;
        filled += 1;
        if filled == group.len() {
            let distances = scorer.score4(group);
            for (distance, slot) in distances.into_iter().zip(group) {
                offer::<WHOLE>(scorer, Candidate { distance, slot }, pool);
            }
            filled = 0;
        }
    }
    for &slot in &group[..filled] {
        offer::<WHOLE>(scorer, Candidate { distance: scorer.score(slot), slot }, pool);
    }
    Ok(())
}

#[inline]
fn offer<const WHOLE: bool>(scorer: &impl Scorer, candidate: Candidate, pool: &mut Pool) {
    let mut only = [candidate];
    if WHOLE {
        if !pool.admits(candidate.distance - DEVIATIONS * scorer.error(candidate.slot)) {
            return;
        }
        scorer.refine(&mut only);
    }
    let [Candidate { distance, slot }] = only;
    pool.insert(distance, slot, true);
}
