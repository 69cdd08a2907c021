//! search_many: searches for many queries in one call, on all threads.

use super::parallel::each;
use super::{Error, Index, SearchOptions};
#[cfg(not(target_arch = "wasm32"))]
use crate::arena::ReadPlan;
#[cfg(not(target_arch = "wasm32"))]
use crate::index::Hit;
#[cfg(target_arch = "wasm32")]
use crate::types::Candidate;

/// Number of queries answered before other calls may use the index.
#[cfg(not(target_arch = "wasm32"))]
const TOGETHER: usize = 64;

/// Most blocks read together for several queries; a single query may need more. Beside the budget, they stay in memory
/// until these queries are answered.
#[cfg(not(target_arch = "wasm32"))]
const MOST_BLOCKS_A_READ: usize = 64;

/// The answers to many queries, as far as there are any.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug)]
pub(crate) struct Answers(Vec<Answer>);

/// The state of one query.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The hits; `None` while the query is not answered.
    hits: Option<Vec<Hit>>,
    /// What its last search was missing; `None` if it has not been searched for.
    missing: Option<ReadPlan>,
    /// Whether the last returned plan covers `missing`, so that this query is answered next.
    is_planned: bool,
}

#[cfg(not(target_arch = "wasm32"))]
impl Answers {
    /// Empty answers to `count` queries.
    pub(crate) fn new(count: usize) -> Result<Self, Error> {
        let mut answers = Vec::new();
        answers.try_reserve_exact(count).map_err(|_| Error::OutOfMemory)?;
        answers.resize(count, Answer::default());
        Ok(Self(answers))
    }

    /// The groups of queries that are answered together, with their answers.
    pub(crate) fn together<'a, Q>(&'a mut self, queries: &'a [Q]) -> impl Iterator<Item = (&'a [Q], &'a mut [Answer])> {
        queries.chunks(TOGETHER).zip(self.0.chunks_mut(TOGETHER))
    }

    /// The hits of each query. All must be answered.
    pub(crate) fn into_hits(self) -> Result<Vec<Vec<Hit>>, Error> {
        let mut hits = Vec::new();
        hits.try_reserve_exact(self.0.len()).map_err(|_| Error::OutOfMemory)?;
        hits.extend(self.0.into_iter().map(|answer| answer.hits.unwrap_or_default()));
        Ok(hits)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Index {
    /// Searches for many queries in one call, and returns the hits of each in the same order: those that
    /// [`Index::search`] returns. With the feature `rayon` all cores work on it, or, if called from within a rayon
    /// pool, the threads of that pool. With a filter, which is one function, the calling thread does all of it.
    ///
    /// While a thread waits for others of its pool, it takes up other tasks. If the caller holds a lock on the index
    /// and such a task wants it, both wait forever; `SharedIndex` avoids this.
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
    /// anything is searched. Otherwise as [`Index::search`]; [`Error::Cold`] has the records of some of the queries.
    pub fn search_many<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        options: SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        self.check_queries(queries, &options)?;
        let mut answers = Answers::new(queries.len())?;
        self.answer(queries, options, &mut answers.0)?;
        answers.into_hits()
    }

    /// Checks all queries and the options.
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

    /// Answers the queries, or some of them and leaves the rest to another call. When records are missing,
    /// [`Error::Cold`] has a plan for some of the queries, and the next call, with their records in memory, answers
    /// only these. The blocks read for them can then be evicted, and no search is repeated in vain.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub(crate) fn answer<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        mut options: SearchOptions<'_>,
        answers: &mut [Answer],
    ) -> Result<(), Error> {
        let had_plan = answers.iter().any(|answer| answer.is_planned);
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
        // The index may have changed since the plan was made. What it lacked is read first, while its other blocks are
        // still in memory.
        let falls_short = answers.iter().any(|answer| answer.is_planned);
        if had_plan && !falls_short {
            return Ok(());
        }
        let plan = self.plan_reads(answers.iter_mut().filter(|answer| answer.is_planned || !falls_short))?;
        if plan.is_empty() { Ok(()) } else { Err(Error::Cold(plan)) }
    }

    /// Plans the reads for the first of these queries that are not answered.
    fn plan_reads<'a>(&self, answers: impl Iterator<Item = &'a mut Answer>) -> Result<ReadPlan, Error> {
        let mut plan = ReadPlan::default();
        for answer in answers.filter(|answer| answer.is_open()) {
            answer.is_planned = plan.len() < MOST_BLOCKS_A_READ;
            if let (true, Some(missing)) = (answer.is_planned, &answer.missing) {
                // Some blocks may have been read for other queries since.
                let mut blocks = missing.blocks().iter().filter(|&&block| self.parts.records.cold.must_be_read(block));
                blocks.try_for_each(|&block| plan.add(block))?;
            }
        }
        Ok(plan)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Answer {
    /// Whether the query is unanswered.
    pub(crate) const fn is_open(&self) -> bool {
        self.hits.is_none()
    }

    /// Runs `search` for the query and takes its result. Does nothing if the query is answered, or if it misses records
    /// that have not been read since.
    fn take(&mut self, search: impl FnOnce() -> Result<Vec<Hit>, Error>) -> Result<(), Error> {
        if self.hits.is_some() || (self.missing.is_some() && !self.is_planned) {
            return Ok(());
        }
        match search() {
            Ok(hits) => *self = Self { hits: Some(hits), ..Self::default() },
            Err(Error::Cold(missing)) => self.missing = Some(missing),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(target_arch = "wasm32")]
impl Index {
    /// Searches as [`Index::search_slots`] does for each of the queries, which follow one another, and puts the hits of
    /// each into its item of `found`. The options' filter is ignored.
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
