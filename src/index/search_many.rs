//! search_many: searches for many queries, on all threads.

use super::parallel::each;
use super::{Error, Index, SearchOptions};
use crate::types::Candidate;

impl Index {
    /// [`Index::search_slots`] for each of these queries, which lie one after the other, and `found` of each. No filter is asked.
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
