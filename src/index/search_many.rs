//! search_many: searches for many queries in one call, on all threads.

use super::parallel::each;
use super::{Error, Index, SearchOptions};
use crate::types::Candidate;

impl Index {
    /// Searches as [`Index::search_slots`] does, for each of the queries, which lie one after the other, and puts the
    /// hits of each into its item of `found`. The options' filter is ignored.
    pub(crate) fn search_slots_of_many(
        &self,
        queries: &[f32],
        options: &SearchOptions<'_>,
        found: &mut [Vec<Candidate>],
    ) -> Result<(), Error> {
        let SearchOptions { k, ef, rerank, .. } = *options;
        let dimensions = self.config.dimensions;
        each(found, &self.scratch, |at, found, scratch| {
            let options = SearchOptions { k, ef, rerank, filter: None };
            self.search_with(&queries[at * dimensions..][..dimensions], options, scratch, found)
        })
    }
}
