//! Twins: nodes whose codes are equal in all that a score reads, so that no distance tells them apart.
//!
//! Many equal vectors would fill each other's lists, and every pool that meets one of them, until no path leads out of
//! the set. So a node links to one of each set of twins where it has the choice, and tree links hold the rest together,
//! mostly leading from one twin to the next ([`super::tree::place_to_attach`]). A search takes a few of a set into its
//! pool, and of those it meets later only ones with lower slots: so walks lead to the first of a set, which most other
//! nodes link to. The rest wait until nothing else is left to follow. Then they join the pool if they are still near
//! enough, except that a search for links that has found few nodes walks over some of them instead.

use super::select::Neighbour;
use crate::quantize::Space;

/// How many twins of a set are taken into a pool. Where all records have twins, a search for ten hits finds them sooner
/// with four than with one; with eight, one set could fill a narrow pool.
pub(super) const TWINS_IN_POOL: usize = 4;

/// Which twins a search takes into its pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Twins {
    #[default]
    All,
    /// [`TWINS_IN_POOL`] of each set, and any with lower slots: for links.
    Few,
    /// The same until nothing else is left to follow, and then all.
    FewFirst,
}

/// Removes from the sorted `candidates` each twin of the one right before it, unless it must be kept.
pub(super) fn drop_twins(space: &dyn Space, candidates: &mut Vec<Neighbour>) {
    candidates.dedup_by(|candidate, before| {
        !candidate.kept && candidate.distance == before.distance && space.are_twins(before.slot, candidate.slot)
    });
}
