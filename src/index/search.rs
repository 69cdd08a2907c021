//! search, and the choice between walking the graph and scanning.

use super::config::in_range;
use super::{Config, Error, Index};
use crate::graph::{Accept, LevelSearch, Outcome, Scratch, SearchSpace, Twins, descend, join, pool_limit, scan};
use crate::metric::Metric;
use crate::order::sort_by_distance;
use crate::quantize::Scorer;
use crate::rerank::{self, Exact};
use crate::types::{Candidate, Distance, Id, Level, Slot};

/// A walk at least this many times as wide as its `k` is repeated, wider, while its last candidate is in doubt: where
/// all of a cluster has nearly the same code, as far as a walk reads it, a pool holds any of them.
const WIDE: usize = 4;
/// How many times as wide it becomes each time.
const WIDEN_BY: usize = 4;
/// How many times as wide it becomes at most.
const WIDEST: usize = 16;
/// The share of the usual doubt ([`rerank::doubtful`]) that counts here. With half of it, no search of the embeddings
/// of the benchmarks is repeated.
const BLUR: f32 = 0.5;
/// The first walk of a search at least this many times as wide as its `k` counts all of the doubt, or it could end with
/// fewer of the nearest than a narrower one that is repeated. The embeddings' last candidates are too far away for
/// that.
const AMPLE: usize = 16;

/// How to search. Start from the default and change fields.
#[non_exhaustive]
pub struct SearchOptions<'f> {
    /// How many hits, 1 to [`Config::MAX_EF`]. Fewer come back only when fewer records qualify. Default 10.
    pub k: usize,
    /// Width of the search, 1 to [`Config::MAX_EF`]; raised to `k` when smaller. `None`: [`Config::ef`]. With int8
    /// codes of more than 128 dimensions, a search without a filter that is at least four times as wide as `k` becomes
    /// up to 16 times as wide if it cannot tell its candidates apart.
    pub ef: Option<usize>,
    /// Whether to order the hits by full-precision distances. Default true. Has no effect where the codes are the
    /// vectors.
    pub rerank: bool,
    /// Which ids may be returned. The filter must give the same answer for the same id each time: it is called more
    /// than once for some ids, again when the search is repeated because records had to be read, and for some ids that
    /// are not returned. It must not use the index that it filters, nor a `SharedIndex` of it, which may be waiting for
    /// this search to end.
    pub filter: Option<&'f mut dyn FnMut(&Id) -> bool>,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        Self { k: 10, ef: None, rerank: true, filter: None }
    }
}

impl SearchOptions<'_> {
    /// The default options, with `k` hits.
    pub fn top(k: usize) -> Self {
        Self { k, ..Self::default() }
    }

    /// Sets the width of the search.
    #[must_use]
    pub fn with_ef(self, ef: usize) -> Self {
        Self { ef: Some(ef), ..self }
    }

    /// Sets whether hits are ordered by full-precision distances (true) or by the distances of their codes (false).
    #[must_use]
    pub fn with_rerank(self, rerank: bool) -> Self {
        Self { rerank, ..self }
    }
}

impl SearchOptions<'_> {
    /// Copies the options and borrows the filter, for a search that may have to be repeated.
    pub(crate) fn again(&mut self) -> SearchOptions<'_> {
        let filter = self.filter.as_mut().map(|filter| &mut **filter as &mut dyn FnMut(&Id) -> bool);
        SearchOptions { k: self.k, ef: self.ef, rerank: self.rerank, filter }
    }

    /// Checks the range of each option.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Error> {
        in_range("k", self.k, 1, Config::MAX_EF)?;
        in_range("ef", self.ef.unwrap_or(1), 1, Config::MAX_EF)
    }
}

impl<'f> SearchOptions<'f> {
    /// Sets the filter: only ids for which it returns true are returned.
    #[must_use]
    pub fn with_filter(self, filter: &'f mut dyn FnMut(&Id) -> bool) -> Self {
        Self { filter: Some(filter), ..self }
    }
}

impl core::fmt::Debug for SearchOptions<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SearchOptions")
            .field("k", &self.k)
            .field("ef", &self.ef)
            .field("rerank", &self.rerank)
            .field("filter", &self.filter.is_some())
            .finish()
    }
}

/// One record found by a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The record's id; [`Index::get`] returns the rest.
    pub id: Id,
    /// Smaller is closer. Cosine: 1 - cos, in [0, 2]. L2: squared Euclidean. Dot: the negative inner product.
    pub distance: Distance,
}

/// Whether scoring each of `live` records costs less than walking past the tombstones of `slots` to `ef` live ones.
///
/// A walk meets about `8 ef` nodes when all are live, and proportionally more when few are.
const fn prefers_scan(live: usize, slots: usize, ef: usize) -> bool {
    (live as u64) * (live as u64) <= 8 * (ef as u64) * (slots as u64)
}

impl Index {
    /// Returns the records nearest to `query`, nearest first.
    ///
    /// Expected cost: O(ef log n) distances.
    ///
    /// # Errors
    /// As [`Index::check_vector`]; [`Error::InvalidOption`] for `k` or `ef` out of range; [`Error::OutOfMemory`].
    /// [`Error::Cold`] when full vectors are needed that are only in the store. [`Error::Untrained`] while product
    /// codes are not trained.
    pub fn search(&self, query: &[f32], options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        let mut found = Vec::new();
        self.search_slots(query, options, &mut found)?;
        self.hits(&found)
    }

    /// The hits of a search, with their ids.
    pub(super) fn hits(&self, found: &[Candidate]) -> Result<Vec<Hit>, Error> {
        let mut hits = Vec::new();
        hits.try_reserve_exact(found.len()).map_err(|_| Error::OutOfMemory)?;
        for &Candidate { slot, distance } in found {
            if let Some(id) = self.parts.ids.id_of(slot) {
                // The sum makes the -0 of a negated product 0.
                hits.push(Hit { id: id.try_clone()?, distance: distance + 0.0 });
            }
        }
        Ok(hits)
    }

    /// Searches as [`Index::search`] does, and puts the hits into `found` as slots, which are valid until the index
    /// changes.
    pub(crate) fn search_slots(
        &self,
        query: &[f32],
        options: SearchOptions<'_>,
        found: &mut Vec<Candidate>,
    ) -> Result<(), Error> {
        let mut scratch = self.scratch.take();
        let searched = self.search_with(query, options, &mut scratch, found);
        self.scratch.put(scratch);
        searched
    }

    /// Searches as [`Index::search_slots`] does, in the caller's buffers.
    #[inline(always)]
    pub(super) fn search_with(
        &self,
        query: &[f32],
        options: SearchOptions<'_>,
        scratch: &mut Scratch,
        found: &mut Vec<Candidate>,
    ) -> Result<(), Error> {
        let inverse_norm = self.inverse_norm(query)?;
        options.check()?;
        found.clear();
        if self.parts.codes.is_untrained() {
            return Err(Error::Untrained { records: self.len() });
        }
        self.search_codes(query, inverse_norm, options, scratch, found)
    }

    fn search_codes(
        &self,
        query: &[f32],
        inverse_norm: f64,
        mut options: SearchOptions<'_>,
        scratch: &mut Scratch,
        found: &mut Vec<Candidate>,
    ) -> Result<(), Error> {
        let live = self.len();
        let k = options.k.min(live);
        // There are no more candidates than live records.
        let ef = options.ef.unwrap_or(self.config.ef).max(options.k).min(live.max(1));
        if k == 0 {
            return Ok(());
        }
        let (mut space, buffer, _) = scratch.split();
        let scorer = self.parts.codes.space().around_query(query, inverse_norm, buffer)?;
        let widest = self.widest(k, ef, options.filter.is_some());
        self.parts.records.begin_call();
        let (mut width, mut share) = (ef, if ef >= AMPLE * k { 1.0 } else { BLUR });
        while self.gather(scorer, width, k, options.again().filter, &mut space)?
            && width < widest
            && is_blurred(scorer, &space, k, width, share)
        {
            (width, share) = (widest.min(WIDEN_BY * width), BLUR);
        }
        // Besides the first `k` candidates, keep those that could be nearer, given the error of their codes.
        let count = count_in_doubt(scorer, &space, k, 1.0);
        found.try_reserve(count).map_err(|_| Error::OutOfMemory)?;
        found.extend(space.pool.accepted().take(count));
        let error = scorer.refine(found);
        sort_by_distance(found, |candidate| (candidate.distance, candidate.slot));
        // However wide the walk has become, no more records are read than it was asked to be wide.
        found.truncate(ef);
        if options.rerank && self.parts.codes.vector(Slot(0)).is_none() {
            found.truncate(rerank::equally_doubtful(found, k, error));
            self.need(found.iter().map(|candidate| candidate.slot))?;
            let inverse_norm = inverse_norm as f32;
            let metric = self.config.metric;
            Exact { kernels: scorer.kernels(), metric, query, inverse_norm }.rerank(&self.parts.records, found);
        }
        found.truncate(k);
        self.clamp(found);
        Ok(())
    }

    /// How wide a walk may become that has been asked to be `ef` wide.
    fn widest(&self, k: usize, ef: usize, is_filtered: bool) -> usize {
        // Codes that are read whole tell candidates apart. A filter would be asked about many times as many ids.
        let may_widen = self.parts.codes.are_read_in_part() && !is_filtered && ef >= WIDE * k;
        if may_widen { self.len().min(WIDEST * ef).min(Config::MAX_EF) } else { ef }
    }

    /// Fills the pool with candidates: by a walk of the graph where that is cheaper, else by a scan. Returns whether a
    /// walk has found them. Not inlined: the file compresses better (size).
    #[inline(never)]
    fn gather(
        &self,
        scorer: Scorer<'_>,
        ef: usize,
        k: usize,
        filter: Option<&mut dyn FnMut(&Id) -> bool>,
        space: &mut SearchSpace<'_>,
    ) -> Result<bool, Error> {
        let super::Parts { graph, ids, tombstones, .. } = &self.parts;
        let limit = pool_limit(ef);
        let walks = !prefers_scan(tombstones.live(), graph.len(), ef);
        let start = if walks { descend(graph, scorer, Level::BASE, space)? } else { None };
        let mut filter = filter.map(|passes| move |slot| ids.id_of(slot).is_some_and(|id| passes(&id)));
        // Accept every node unseen only if no slot is deleted or free: only a proven graph is known to have no links to
        // free slots.
        let is_full = tombstones.deleted() == 0 && tombstones.live() >= graph.len();
        let accept = &mut match &mut filter {
            Some(passes) => Accept::If(passes),
            None if is_full => Accept::All,
            None => Accept::Live(tombstones.live_slots()),
        };
        if let Some(start) = start {
            let stop_rule = graph.growth().stop_rule(k, ef, scorer, start);
            let twins = Twins::FewFirst;
            let search = LevelSearch { graph, level: Level::BASE, scorer, start, ef, limit, twins, stop_rule };
            let mut outcome = search.run(space, accept)?;
            // A walk that finds fewer than `k` linked records has missed some, and those that wait do not make up for
            // them.
            let is_enough = space.pool.accepted_len() >= k;
            if is_enough && outcome == Outcome::Complete && !self.pending.queue.is_empty() {
                let waiting =
                    self.pending.queue.slots().filter(|&slot| tombstones.is_live(slot) && accept.passes(slot));
                outcome = join(scorer, waiting, space);
            }
            if is_enough && outcome == Outcome::Complete {
                return Ok(true);
            }
        }
        scan(scorer, tombstones.live_slots(), accept, ef, space.pool)?;
        Ok(false)
    }

    /// Clamps distances to the range of the metric: rounding can carry one just past its end.
    fn clamp(&self, found: &mut [Candidate]) {
        let (least, most) = match self.config.metric {
            Metric::Cosine => (0.0, 2.0),
            Metric::L2 => (0.0, f32::MAX),
            Metric::Dot => return,
        };
        for candidate in found {
            candidate.distance = candidate.distance.max(least).min(most);
        }
    }
}

/// Whether even the last candidate of a walk could be a hit, were the error of codes this share of what it is. Then so
/// could others that the pool had no room for, unless all are equally near.
#[inline(never)]
fn is_blurred(scorer: Scorer<'_>, space: &SearchSpace<'_>, k: usize, width: usize, share: f32) -> bool {
    count_in_doubt(scorer, space, k, share) == width && count_in_doubt(scorer, space, k, 0.0) < width
}

/// How many candidates in a pool are the first `k` or could be nearer, were the error of their codes this share of what
/// it is.
#[inline(never)]
fn count_in_doubt(scorer: Scorer<'_>, space: &SearchSpace<'_>, k: usize, share: f32) -> usize {
    rerank::doubtful(space.pool.accepted(), k, |slot| share * scorer.error(slot))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Rows in 15 clusters. Within each, vectors differ by less than a step of what a walk reads of their codes.
    fn clustered(number: usize) -> [f32; 136] {
        let part = |seed: usize, at: usize| {
            let mixed = ((seed * 136 + at + 1) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed ^ mixed >> 32) >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        core::array::from_fn(|at| part(1_000_000 + number % 15, at) + 0.05 * part(number, at))
    }

    #[test]
    fn a_search_that_cannot_tell_its_candidates_apart_becomes_wider() {
        const ROWS: usize = 4000;
        let mut index = Index::new(Config { metric: Metric::L2, ..Config::new(136) }).unwrap();
        (0..ROWS).for_each(|number| drop(index.insert(&clustered(number), None).unwrap()));
        let numbers = |query: &[f32], k, ef| -> Vec<usize> {
            let hits = index.search(query, SearchOptions::top(k).with_ef(ef)).unwrap();
            hits.iter().filter_map(|hit| hit.id.as_number()).map(|number| number as usize).collect()
        };
        let mut missed = [0; 2];
        for query in (ROWS..2 * ROWS).step_by(100).map(clustered) {
            let far = |number: usize| clustered(number).iter().zip(query).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            let mut all: Vec<usize> = (0..ROWS).collect();
            all.sort_by(|&a, &b| far(a).total_cmp(&far(b)));
            for (missed, ef) in missed.iter_mut().zip([39, 64]) {
                let hits = numbers(&query, 10, ef);
                *missed += all[..10].iter().filter(|number| !hits.contains(number)).count();
            }
        }
        assert!(missed[0] > 60 && missed[1] < 16, "{missed:?} of 400 missed by narrow searches and by wide ones");
        // A pool of 160 reaches beyond those in half of the doubt, but misses many of the nearest all the same.
        for ef in [64, 160, 200] {
            let missed = (0..ROWS).step_by(20).filter(|&number| numbers(&clustered(number), 1, ef) != [number]).count();
            assert!(missed < 10, "{missed} of 200 rows missed by searches for themselves at ef {ef}");
        }
    }

    #[test]
    fn a_scan_is_for_few_live_records() {
        // Live records, slots, ef, whether to scan.
        let cases = [
            (100, 100, 64, true),
            (10_000, 10_000, 64, false),
            (100_000, 100_000, 64, false),
            (5_000, 100_000, 64, true),
            (50_000, 100_000, 64, false),
            (1, 1_000_000, 10, true),
            (100_000, 100_000, 100_000, true),
        ];
        for (live, slots, ef, expected) in cases {
            assert_eq!(prefers_scan(live, slots, ef), expected, "{live} of {slots} at ef {ef}");
        }
    }
}
