//! search_many: searches for many queries in one call, on all threads.

use super::parallel::each;
use super::{Error, Index, SearchOptions};
#[cfg(not(target_arch = "wasm32"))]
use crate::arena::ReadPlan;
#[cfg(not(target_arch = "wasm32"))]
use crate::index::Hit;
#[cfg(target_arch = "wasm32")]
use crate::types::Candidate;

/// Most blocks that are read together for many queries, unless one query alone needs more: they are in memory beside the
/// budget meanwhile.
#[cfg(not(target_arch = "wasm32"))]
const MOST_BLOCKS: usize = 64;

/// What is known of one query of many.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// None while the query is not answered.
    hits: Option<Vec<Hit>>,
    /// What has to be read before it can be.
    missing: ReadPlan,
}

/// The answers to `count` queries, none of which is answered yet.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn unanswered(count: usize) -> Result<Vec<Answer>, Error> {
    let mut answers = Vec::new();
    answers.try_reserve_exact(count).map_err(|_| Error::OutOfMemory)?;
    answers.resize(count, Answer::default());
    Ok(answers)
}

/// The hits of each query, all of which are answered.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn hits_of(answers: Vec<Answer>) -> Vec<Vec<Hit>> {
    answers.into_iter().map(|answer| answer.hits.unwrap_or_default()).collect()
}

#[cfg(not(target_arch = "wasm32"))]
impl Index {
    /// Searches for many queries in one call, and returns the hits of each in the same order: those that
    /// [`Index::search`] returns. With the feature `rayon` all cores work on it, or, if it is called from within a rayon
    /// pool, the threads of that pool. With a filter, which is one function, the calling thread does all of it.
    ///
    /// ```
    /// use thermocline::{Config, Index, SearchOptions};
    ///
    /// let mut index = Index::new(Config::new(3))?;
    /// index.insert_with_id("east", &[1.0, 0.0, 0.1], None)?;
    /// index.insert_with_id("north", &[0.0, 1.0, 0.0], None)?;
    /// let hits = index.search_many(&[[0.0, 0.9, 0.1], [1.0, 0.1, 0.1]], SearchOptions::top(1))?;
    /// assert_eq!([&hits[0][0].id, &hits[1][0].id], [&"north".into(), &"east".into()]);
    ///
    /// // Queries that lie one after the other:
    /// let flat = [0.0, 0.9, 0.1, 1.0, 0.1, 0.1];
    /// let queries: Vec<&[f32]> = flat.chunks(3).collect();
    /// assert_eq!(index.search_many(&queries, SearchOptions::top(1))?, hits);
    /// # Ok::<(), thermocline::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InQuery`] with the position of a query and the error that [`Index::check_vector`] has for it, before
    /// anything is searched. Otherwise as [`Index::search`]; [`Error::Cold`] has the records of many queries.
    pub fn search_many<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        options: SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        self.check_queries(queries, &options)?;
        let mut answers = unanswered(queries.len())?;
        self.answer(queries, options, &mut answers)?;
        Ok(hits_of(answers))
    }

    /// Checks all queries, and the options.
    ///
    /// # Errors
    /// As [`Index::search_many`].
    pub(crate) fn check_queries<Q: AsRef<[f32]>>(
        &self,
        queries: &[Q],
        options: &SearchOptions<'_>,
    ) -> Result<(), Error> {
        options.check()?;
        queries.iter().enumerate().try_for_each(|(at, query)| {
            self.check_vector(query.as_ref()).map_err(|error| Error::InQuery { at, error: Box::new(error) })
        })
    }

    /// Searches for those of the queries that are not answered yet. They stay answered when records are missing for
    /// others, so that the next call searches for these only.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub(crate) fn answer<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        mut options: SearchOptions<'_>,
        answers: &mut [Answer],
    ) -> Result<(), Error> {
        if options.filter.is_some() {
            for (query, answer) in queries.iter().zip(answers.iter_mut()) {
                answer.take(|| self.search(query.as_ref(), options.again()))?;
            }
        } else {
            let SearchOptions { k, ef, rerank, .. } = options;
            each(answers, &self.scratch, |at, answer, scratch| {
                answer.take(|| {
                    let (mut found, options) = (Vec::new(), SearchOptions { k, ef, rerank, filter: None });
                    self.search_with(queries[at].as_ref(), options, scratch, &mut found)?;
                    self.hits(&found)
                })
            })?;
        }
        let mut plan = ReadPlan::default();
        for answer in answers.iter().filter(|answer| answer.hits.is_none()) {
            if plan.len() < MOST_BLOCKS {
                answer.missing.blocks().iter().try_for_each(|&block| plan.add(block))?;
            }
        }
        if plan.is_empty() { Ok(()) } else { Err(Error::Cold(plan)) }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Answer {
    /// Takes what a search for the query returns, if it is not answered yet.
    fn take(&mut self, search: impl FnOnce() -> Result<Vec<Hit>, Error>) -> Result<(), Error> {
        if self.hits.is_none() {
            match search() {
                Ok(hits) => self.hits = Some(hits),
                Err(Error::Cold(missing)) => self.missing = missing,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(target_arch = "wasm32")]
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
