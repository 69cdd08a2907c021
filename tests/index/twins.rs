//! Equal vectors: repeated texts, or zeros for what could not be embedded. They must not fill each other's lists and
//! pools: a thousand zeros inserted first would cost nine tenths of all recall, at any width.

use std::collections::HashSet;

use thermocline::{Config, Id, Index, Metric, Quantization, SearchOptions};

use crate::support::{Clusters, build, mean_recall};

const DIMENSIONS: usize = 48;
const K: usize = 10;
const EF: usize = 64;

/// 2,000 vectors around 50 centres, closer to a zero vector than to each other, and 60 queries.
fn clustered() -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut clusters = Clusters::new(5, 50, DIMENSIONS);
    (clusters.vectors(2000), clusters.vectors(60))
}

fn config(quantization: Quantization) -> Config {
    Config { metric: Metric::L2, quantization, ..Config::new(DIMENSIONS) }
}

#[test]
fn equal_vectors_leave_ways_out_from_among_them() {
    let (others, queries) = clustered();
    let zeros = vec![vec![0.0; DIMENSIONS]; 500];
    let first = [zeros.clone(), others.clone()].concat();
    let mut among = others.clone();
    for at in 0..zeros.len() {
        among.insert(at * 5, vec![0.0; DIMENSIONS]);
    }
    for quantization in [Quantization::Int8, Quantization::None] {
        let without = mean_recall(&build(config(quantization), &others), &queries, K, EF);
        for vectors in [&first, &among] {
            let index = build(config(quantization), vectors);
            let recall = mean_recall(&index, &queries, K, EF);
            assert!(recall >= without - 0.01, "{quantization:?}: {recall}, and {without} without them");
            assert!(index.check().unwrap().ok);
        }
    }
}

#[test]
fn records_that_all_have_twins_are_found() {
    let (others, queries) = clustered();
    let vectors: Vec<_> = others[..200].iter().flat_map(|vector| vec![vector.clone(); 20]).collect();
    let index = build(config(Quantization::Int8), &vectors);
    let recall = mean_recall(&index, &queries, K, EF);
    assert!(recall >= 0.95, "{recall}");
}

#[test]
fn as_many_twins_are_found_as_are_asked_for() {
    let (mut vectors, _) = clustered();
    let chosen = vectors[77].clone();
    (0..500).for_each(|at| vectors.insert(at * 4, chosen.clone()));
    let index = build(config(Quantization::Int8), &vectors);
    for (k, ef) in [(10, 10), (10, 64), (300, 300)] {
        let hits = index.search(&chosen, SearchOptions::top(k).with_ef(ef)).unwrap();
        let ids: HashSet<&Id> = hits.iter().map(|hit| &hit.id).collect();
        assert_eq!((ids.len(), hits.len()), (k, k));
        assert!(hits.iter().all(|hit| hit.distance == 0.0), "{k} at {ef}");
    }
    // Deleted twins do not displace live ones.
    let mut index = index;
    let dead: Vec<u64> = (0..vectors.len() as u64).filter(|at| at % 4 == 0 && *at < 1900).collect();
    dead.iter().for_each(|&at| assert!(index.delete(&Id::Number(at)).unwrap()));
    let hits = index.search(&chosen, SearchOptions::top(20)).unwrap();
    assert!(hits.len() == 20 && hits.iter().all(|hit| hit.distance == 0.0), "{hits:?}");
}

/// Each twin must be linked beneath its own twins, so that a walk that follows those of a set meets all. With thousands
/// of them, those that must not be returned fill the pool before those that may.
#[test]
fn the_few_twins_that_may_be_returned_are_found_among_many_that_may_not() {
    let (others, _) = clustered();
    let chosen = &others[77];
    for copies in [200, 2500] {
        let set = vec![chosen.clone(); copies];
        let mut among = others.clone();
        (0..copies).for_each(|at| among.insert((2 * at).min(among.len()), chosen.clone()));
        for vectors in [[set.clone(), others.clone()].concat(), among, [others.clone(), set].concat()] {
            let mut index = build(config(Quantization::Int8), &vectors);
            let twins: Vec<u64> = (0..vectors.len() as u64).filter(|&at| vectors[at as usize] == *chosen).collect();
            let (dead, left) = twins.split_at(twins.len() - 15);
            let found = |index: &Index, ef: usize, filters: bool| {
                let mut passes = |id: &Id| !matches!(id, Id::Number(number) if dead.contains(number));
                let options = SearchOptions::top(10).with_ef(ef);
                let options = if filters { options.with_filter(&mut passes) } else { options };
                index.search(chosen, options).unwrap().iter().filter(|hit| hit.distance == 0.0).count()
            };
            for ef in [10, 64, 200] {
                assert_eq!(found(&index, ef, true), 10, "{copies} refused, at {ef}");
            }
            dead.iter().for_each(|&at| assert!(index.delete(&Id::Number(at)).unwrap()));
            for ef in [10, 64, 200] {
                assert_eq!(found(&index, ef, false), 10, "{copies} deleted, {} left, at {ef}", left.len());
            }
            index.compact().unwrap();
            for ef in [10, 64, 200] {
                assert_eq!(found(&index, ef, false), 10, "{copies} compacted away, {} left, at {ef}", left.len());
            }
        }
    }
}

#[test]
fn recall_survives_when_the_first_of_the_twins_go() {
    let (others, queries) = clustered();
    let (before, after) = others.split_at(1000);
    // The twins that all others link to come first and are compacted away; then more records come.
    let mut vectors = vec![vec![0.0; DIMENSIONS]; 250];
    vectors.extend_from_slice(before);
    vectors.extend(vec![vec![0.0; DIMENSIONS]; 250]);
    let mut index = build(config(Quantization::Int8), &vectors);
    (0..250).for_each(|at| assert!(index.delete(&Id::Number(at)).unwrap()));
    index.compact().unwrap();
    vectors.extend_from_slice(after);
    after.iter().for_each(|vector| drop(index.insert(vector, None).unwrap()));
    let recall = mean_recall(&index, &queries, K, EF);
    assert!(recall >= 0.97, "{recall}");
    assert!(index.check().unwrap().ok);
}

/// Later records must find each other through the remaining twins, wherever they are linked to them.
#[test]
fn others_that_come_when_only_twins_are_left_are_found() {
    let (others, queries) = clustered();
    let (before, after) = others.split_at(1000);
    for (metric, m, every) in [(Metric::L2, 4, 2_usize), (Metric::L2, 16, 4), (Metric::Cosine, 4, 8)] {
        let config = Config { metric, m, ..config(Quantization::Int8) };
        let is_twin = |at: usize| at.is_multiple_of(every);
        let vectors: Vec<_> = (0..1000).map(|at| before[if is_twin(at) { 7 } else { at }].clone()).collect();
        let mut index = build(config, &vectors);
        (0..1000).filter(|&at| !is_twin(at)).for_each(|at| assert!(index.delete(&Id::Number(at as u64)).unwrap()));
        index.compact().unwrap();
        after.iter().for_each(|vector| drop(index.insert(vector, None).unwrap()));
        let recall = mean_recall(&index, &queries, K, EF);
        assert!(recall >= 0.95, "{recall} with {} twins under {metric:?}", 1000 / every);
        assert!(index.check().unwrap().ok);
    }
}
