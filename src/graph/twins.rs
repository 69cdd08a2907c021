//! Twins: nodes whose codes are equal in all that a score reads, so that no distance tells them apart.
//!
//! Many equal vectors would fill each other's lists, and every pool that meets one of them, until no way leads out from
//! among them. So a node links to one of each set of twins, as far as it has the choice, and tree links hold the rest
//! together: mostly they lead from one to the next ([`super::tree::place_to_attach`]). A search takes a few of a set
//! into its pool, and of those it meets later only such with lower slots: so walks lead to the first of a set, which the
//! most others have linked to. The rest wait until nothing else is left to follow. Then they join the pool, if they are
//! still near enough; but a search for links that has found few walks over some of them instead.

use super::select::Neighbour;
use crate::quantize::Space;

/// How many of a set are taken into a pool. Where all records have twins, a search for ten finds them sooner with four
/// than with one; of eight, one set may take all of a narrow pool.
pub(super) const FEW: usize = 4;

/// Which twins a search takes into its pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Twins {
    #[default]
    All,
    /// [`FEW`] of each set, and such with lower slots: for links.
    Few,
    /// The same until nothing else is left to follow, and then all.
    FewFirst,
}

/// Removes from the sorted `candidates` the twins of those right before them, but for those that must be kept.
pub(super) fn drop_twins(space: &dyn Space, candidates: &mut Vec<Neighbour>) {
    candidates.dedup_by(|candidate, before| {
        !candidate.kept && candidate.distance == before.distance && space.are_twins(before.slot, candidate.slot)
    });
}
