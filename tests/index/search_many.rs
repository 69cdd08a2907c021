//! Many queries in one call: the hits of single searches, on any number of threads, and no search at all if one query
//! is refused.

use std::error::Error as _;
use thermocline::{Config, Error, Id, Index, Quantization, SearchOptions};

use crate::support::{Clusters, METRICS, QUANTIZATIONS, build};

const DIMENSIONS: usize = 12;

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    #[cfg(feature = "rayon")]
    return rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work);
    #[cfg(not(feature = "rayon"))]
    return (threads, work()).1;
}

#[test]
fn the_hits_are_those_of_single_searches() {
    for (metric, quantization) in METRICS.into_iter().flat_map(|metric| QUANTIZATIONS.map(|one| (metric, one))) {
        let config = Config { metric, quantization, m: 6, ef_construction: 40, ..Config::new(DIMENSIONS) };
        let mut clusters = Clusters::new(5, 20, DIMENSIONS);
        let mut index = build(config, &clusters.vectors(1500));
        for number in (0..1500).step_by(7) {
            assert!(index.delete(&Id::Number(number)).unwrap());
        }
        // Trains the product codes.
        index.link_all().unwrap();
        let queries = clusters.vectors(150);
        for (k, ef, rerank) in [(1, None, true), (10, Some(64), true), (5, Some(12), false), (2000, None, true)] {
            let options = || {
                let mut options = SearchOptions::top(k).with_rerank(rerank);
                options.ef = ef;
                options
            };
            let single: Vec<_> = queries.iter().map(|query| index.search(query, options()).unwrap()).collect();
            for threads in [1, 3] {
                assert_eq!(on_threads(threads, || index.search_many(&queries, options())).unwrap(), single);
            }
        }
        // No query, few enough to wake no other thread, and more.
        for count in [0, 1, 7, 8] {
            let hits = index.search_many(&queries[..count], SearchOptions::top(3)).unwrap();
            let single = queries[..count].iter().map(|query| index.search(query, SearchOptions::top(3)).unwrap());
            assert_eq!(hits, single.collect::<Vec<_>>());
        }
    }
}

#[test]
fn one_filter_applies_to_every_query() {
    let mut clusters = Clusters::new(6, 10, DIMENSIONS);
    let index = build(Config::new(DIMENSIONS), &clusters.vectors(500));
    let queries = clusters.vectors(20);
    let mut is_odd = |id: &Id| id.as_number().is_some_and(|number| number % 2 == 1);
    let hits = index.search_many(&queries, SearchOptions::top(4).with_filter(&mut is_odd)).unwrap();
    for (query, hits) in queries.iter().zip(hits) {
        assert!(hits.len() == 4 && hits.iter().all(|hit| is_odd(&hit.id)));
        assert_eq!(index.search(query, SearchOptions::top(4).with_filter(&mut is_odd)), Ok(hits));
    }
}

#[test]
fn one_refused_query_refuses_all_before_any_search() {
    let mut clusters = Clusters::new(7, 10, DIMENSIONS);
    let index = build(Config::new(DIMENSIONS), &clusters.vectors(50));
    let mut queries = clusters.vectors(20);
    let mut looks = 0;
    let mut passes = |_: &Id| {
        looks += 1;
        true
    };
    let short = vec![1.0; DIMENSIONS - 1];
    let mut not_finite = queries[0].clone();
    not_finite[3] = f32::NAN;
    for (at, query, code) in [
        (19, short, "DIMENSION_MISMATCH"),
        (7, not_finite, "INVALID_VECTOR"),
        (0, vec![0.0; DIMENSIONS], "INVALID_VECTOR"),
    ] {
        let sound = std::mem::replace(&mut queries[at], query);
        let error = index.search_many(&queries, SearchOptions::top(3).with_filter(&mut passes)).unwrap_err();
        assert_eq!((error.code(), error.to_string().starts_with(&format!("query {at}: "))), (code, true), "{error}");
        let Error::InQuery { at: told, error: inner } = &error else { panic!("{error:?}") };
        assert_eq!((*told, Err(inner.as_ref().clone())), (at, index.check_vector(&queries[at])));
        assert_eq!(error.source().map(ToString::to_string), Some(inner.to_string()));
        assert!(index.search_many(&queries, SearchOptions::top(3)) == Err(error), "with threads too");
        queries[at] = sound;
    }
    let none: [&[f32]; 0] = [];
    for options in [SearchOptions::top(0), SearchOptions::top(3).with_ef(0)] {
        assert_eq!(index.search_many(&none, options).unwrap_err().code(), "INVALID_OPTION");
    }
    assert_eq!(looks, 0);
}

#[test]
fn untrained_product_codes_are_an_error() {
    let index = build(
        Config { quantization: Quantization::Product, ..Config::new(DIMENSIONS) },
        &Clusters::new(8, 4, DIMENSIONS).vectors(5),
    );
    let queries = [[1.0; DIMENSIONS]; 20];
    assert_eq!(index.search_many(&queries, SearchOptions::default()), Err(Error::Untrained { records: 5 }));
    let empty = Index::new(Config::new(DIMENSIONS)).unwrap();
    assert_eq!(empty.search_many(&queries, SearchOptions::default()), Ok(vec![Vec::new(); 20]));
}
