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
    scan(scorer, tombstones.live_slots().iter().filter(|&slot| accept.passes(slot)), ef, pool)
}

/// How many standard deviations of a score's error a code may be nearer than its score.
const DEVIATIONS: f32 = 4.0;

/// Leaves in `pool` the `ef` nearest of `slots` by whole codes. Linear in their number.
fn scan(
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
                offer(scorer, Candidate { distance, slot }, pool);
            }
            filled = 0;
        }
    }
    for &slot in &group[..filled] {
        offer(scorer, Candidate { distance: scorer.score(slot), slot }, pool);
    }
    Ok(())
}

#[inline]
fn offer(scorer: &impl Scorer, candidate: Candidate, pool: &mut Pool) {
    if !pool.admits(candidate.distance - DEVIATIONS * scorer.error(candidate.slot)) {
        return;
    }
    let mut only = [candidate];
    scorer.refine(&mut only);
    let [Candidate { distance, slot }] = only;
    pool.insert(distance, slot, true);
}
