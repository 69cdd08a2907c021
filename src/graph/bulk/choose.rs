//! Choosing the links of a member.

use super::nearest::NEAREST_KEPT;
use super::split::PARTS;
use crate::graph::MOST_LINKS;
use crate::graph::search::Scratch;
use crate::graph::select::{Gaps, Neighbour, select, sort};
use crate::quantize::Space;
use crate::types::{OutOfMemory, Slot};

/// The most candidates: the nearest, the leaders, and a list of level 1.
const CANDIDATES: usize = NEAREST_KEPT + PARTS + MOST_LINKS / 2;

/// Chooses neighbours for a node, as an insert chooses from what its search has found: from its nearest, and from
/// others that are mostly farther away, and are what leads out of a cluster.
///
/// An insert takes `m`, none of which has chosen the new node before. Here many of the nearest choose one another,
/// which makes one link of two. So more than `m` are taken where the heuristic refuses none of them, that is, where
/// there are neighbours in so many directions; but no refused one is taken beyond `m`.
#[inline(never)]
pub(super) fn choose<'a>(
    space: &dyn Space,
    slot: Slot,
    nearest: impl Iterator<Item = Slot>,
    far: impl Iterator<Item = Slot>,
    m: usize,
    scratch: &'a mut Scratch,
) -> Result<&'a [Neighbour], OutOfMemory> {
    let (mut slots, mut distances, mut len) = ([Slot::NONE; CANDIDATES], [0.0; CANDIDATES], 0);
    for near in nearest.take(NEAREST_KEPT) {
        slots[len] = near;
        len += 1;
    }
    for other in far.take(PARTS + MOST_LINKS / 2) {
        if other != slot && !slots[..len].contains(&other) {
            slots[len] = other;
            len += 1;
        }
    }
    let mut list = core::mem::take(&mut scratch.plan.list);
    list.clear();
    list.try_reserve(CANDIDATES.max(2 * m + 1))?;
    let (_, query, buffer) = scratch.split();
    space.around(slot, query).score_all(&slots[..len], &mut distances);
    list.extend(slots[..len].iter().zip(distances).map(|(&slot, distance)| Neighbour::new(distance, slot)));
    sort(&mut list);
    let count = select(space, &mut list, m * 5 / 3, Gaps::FillTo(m), buffer);
    scratch.plan.list = list;
    Ok(&scratch.plan.list[..count])
}
