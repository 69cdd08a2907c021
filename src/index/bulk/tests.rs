//! Bulk builds and what happens meanwhile.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::index::SearchOptions;
use crate::index::{Config, Error};
use crate::metric::Metric;
use crate::quantize::Quantization;
use crate::types::Id;

/// Enough for codes that are compared many with many.
const DIMENSIONS: usize = 132;

/// Repeatable, and no two alike.
fn vector(seed: usize) -> [f32; DIMENSIONS] {
    core::array::from_fn(|at| {
        let mixed = (seed * DIMENSIONS + at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29) >> 40) as f32 / (1 << 24) as f32 - 0.5
    })
}

fn config(quantization: Quantization) -> Config {
    Config { quantization, metric: Metric::L2, m: 12, ef_construction: 80, ..Config::new(DIMENSIONS) }
}

/// An index in which so many records wait for a bulk build.
fn waiting(config: Config, count: usize) -> Index {
    let mut index = Index::new(config).unwrap();
    assert!(index.begin_bulk());
    for number in 0..count {
        index.insert(&vector(number), None).unwrap();
    }
    index.end_bulk();
    assert_eq!(index.pending(), count);
    index
}

fn is_building(index: &Index) -> bool {
    index.pending.bulk_bytes.is_some()
}

/// The ids of the ten live records nearest to `at`.
fn nearest(live: &[(u64, usize)], at: [f32; DIMENSIONS]) -> Vec<u64> {
    let distance = |seed: usize| vector(seed).iter().zip(at).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let mut all: Vec<(f32, u64)> = live.iter().map(|&(id, seed)| (distance(seed), id)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.iter().take(10).map(|&(_, id)| id).collect()
}

fn found(index: &Index, at: [f32; DIMENSIONS]) -> Vec<u64> {
    let hits = index.search(&at, SearchOptions::top(10).with_ef(64)).unwrap();
    hits.iter().map(|hit| hit.id.as_number().unwrap()).collect()
}

/// Between its steps records come, go and are replaced. Until the end a search compares all of them.
#[test]
fn every_call_is_legal_between_two_steps() {
    for quantization in [Quantization::Int8] {
        let mut index = waiting(config(quantization), LEAST);
        let mut live: Vec<(u64, usize)> = (0..LEAST).map(|number| (number as u64, number)).collect();
        let (mut step, mut built_at) = (0, None);
        while index.link_step().unwrap() {
            step += 1;
            if !is_building(&index) {
                built_at = built_at.or((step > 20).then_some(step));
                continue;
            }
            if step % 9 == 0 {
                let (gone, _) = live.swap_remove(step * 31 % live.len());
                assert!(index.delete(&Id::Number(gone)).unwrap());
                let seed = 10_000 + step;
                let id = index.insert(&vector(seed), None).unwrap();
                live.push((id.as_number().unwrap(), seed));
                let (kept, at) = (live[step * 17 % live.len()].0, step * 17 % live.len());
                index.upsert(kept, &vector(20_000 + step), None).unwrap();
                live[at].1 = 20_000 + step;
                // A compaction links what waits before all else.
                index.compact_start().unwrap();
                assert!(index.compact_step(1).unwrap());
                index.compact_abort();
                assert_eq!(index.export().map(drop), Err(Error::Unlinked));
            }
            if step % 25 == 0 {
                let at = vector(50_000 + step);
                assert_eq!(found(&index, at), nearest(&live, at), "step {step}, {quantization}");
            }
        }
        assert!(built_at.is_some(), "{quantization}: there was no bulk build");
        assert_eq!((index.pending(), index.len()), (0, live.len()));
        assert_eq!(index.check().unwrap().problems, Vec::<String>::new());
        let queries = || (0..50).map(|seed| vector(90_000 + seed));
        let right = queries().map(|at| {
            let there = nearest(&live, at);
            found(&index, at).iter().filter(|id| there.contains(id)).count()
        });
        let right: usize = right.sum();
        assert!(right >= 460, "{quantization}: {right} of 500");
        index.compact_start().unwrap();
        while index.compact_step(1_000_000).unwrap() {}
        index.compact_finish().unwrap();
        assert_eq!(index.check().unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn a_cleared_index_has_no_build_and_can_have_another() {
    let mut index = waiting(config(Quantization::Int8), LEAST);
    let before = index.pending.resident_bytes();
    for _ in 0..60 {
        assert!(index.link_step().unwrap());
    }
    assert!(is_building(&index) && index.pending.resident_bytes() > before + LEAST * 256);
    index.clear().unwrap();
    assert!(index.bulk.as_ref().unwrap().bulk.is_empty(), "its memory is given back");
    assert!(!is_building(&index) && index.is_empty() && !index.link_step().unwrap());
    index.insert(&vector(1), None).unwrap();
    assert_eq!((found(&index, vector(1)).len(), index.pending()), (1, 0));
    index.clear().unwrap();
    assert!(index.begin_bulk());
    for number in 0..LEAST {
        index.insert(&vector(number), None).unwrap();
    }
    index.end_bulk();
    index.link_all().unwrap();
    assert_eq!((index.check().unwrap().problems, index.len()), (Vec::new(), LEAST));
}

#[test]
fn fewer_records_are_linked_one_by_one() {
    let mut index = waiting(config(Quantization::Int8), LEAST - 1);
    assert!(index.link_step().unwrap());
    assert_eq!((index.pending(), is_building(&index)), (LEAST - 2, false));
}

/// What is left out of the build, because it is equal to an earlier record, waits on.
#[test]
fn equal_records_are_linked_afterwards() {
    let mut index = Index::new(config(Quantization::Int8)).unwrap();
    assert!(index.begin_bulk());
    for number in 0..LEAST + 500 {
        index.insert(&vector(number % LEAST), None).unwrap();
    }
    index.end_bulk();
    assert!(index.link_step().unwrap() && is_building(&index));
    while is_building(&index) {
        assert!(index.link_step().unwrap());
    }
    assert_eq!(index.pending(), 500);
    index.link_all().unwrap();
    assert_eq!(index.check().unwrap().problems, Vec::<String>::new());
    assert_eq!(found(&index, vector(3))[..2], [3, LEAST as u64 + 3]);
}

#[test]
fn a_build_that_the_budget_has_no_room_for_is_not_begun() {
    let mut index = waiting(config(Quantization::Int8), LEAST);
    let most = index.stats().bytes.total() + BulkBuild::bytes_of(LEAST) / 2;
    index.config.max_bytes = Some(most);
    assert!(index.link_step().unwrap());
    assert_eq!((index.pending(), is_building(&index)), (LEAST - 1, false));
}

#[test]
fn one_begins_in_an_empty_index_only_and_makes_records_wait() {
    let mut index = Index::new(config(Quantization::Int8)).unwrap();
    assert!(index.begin_bulk());
    assert!(!index.begin_bulk(), "one has begun");
    for number in 0..200 {
        index.insert(&vector(number), None).unwrap();
    }
    assert_eq!((index.pending(), index.len()), (200, 200));
    assert!(!index.begin_bulk());
    index.link_all().unwrap();
    index.insert(&vector(200), None).unwrap();
    assert_eq!(index.pending(), 1, "records wait until the end");
    index.end_bulk();
    index.insert(&vector(201), None).unwrap();
    index.link_all().unwrap();
    assert!(index.check().unwrap().ok);
    assert!(!index.begin_bulk(), "there are nodes");
    index.insert(&vector(202), None).unwrap();
    assert_eq!(index.pending(), 0);
    index.clear().unwrap();
    assert!(index.begin_bulk());
}

/// An export or a compaction while rows still come links what waits so far. A record that expires before the next row
/// had been queued as the first of the changes that wait, as if the next node had nobody to link to: two graphs.
#[test]
fn what_expires_while_records_are_held_and_none_waits_leaves_one_graph() {
    let link: fn(&mut Index) = |index| index.link_all().unwrap();
    let compact: fn(&mut Index) = |index| {
        index.compact_start().unwrap();
        while index.compact_step(64).unwrap() {}
    };
    for drain in [link, compact] {
        let mut index = Index::new(config(Quantization::Int8)).unwrap();
        assert!(index.begin_bulk());
        for number in 0..300 {
            let expires = (number % 100 == 7).then_some(5.0 + number as f64);
            index.insert_expiring(&vector(number), None, expires).unwrap();
        }
        drain(&mut index);
        assert_eq!(index.expire(50.0), 1);
        assert_eq!(index.pending(), 0);
        (300..400).for_each(|number| drop(index.insert(&vector(number), None).unwrap()));
        assert_eq!(index.expire(150.0), 1);
        index.end_bulk();
        index.link_all().unwrap();
        assert_eq!(index.check().unwrap().problems, Vec::<String>::new());
        assert_eq!(found(&index, vector(3))[0], 3);
        assert_eq!(found(&index, vector(399))[0], 399);
        assert_eq!(Index::import(&index.export().unwrap()).unwrap().len(), 398);
    }
}

/// Only codes that can be compared many with many fast, and only where links are as good as the caller has asked for.
#[test]
fn none_begins_where_it_would_be_slower_or_worse() {
    let begins = |config| Index::new(config).unwrap().begin_bulk();
    let int8 = config(Quantization::Int8);
    assert!(begins(int8) && begins(Config { ef_construction: 256, ..int8 }));
    for other in [Quantization::None, Quantization::Binary, Quantization::Product] {
        assert!(!begins(Config { quantization: other, ..int8 }), "{other}");
    }
    assert!(!begins(Config { dimensions: 128, ..int8 }));
    assert!(!begins(Config { ef_construction: 79, ..int8 }));
    assert!(!begins(Config { ef_construction: 257, ..int8 }));
    assert!(!begins(Config { m: 11, ..int8 }));
}

/// Rows around so many centres, and now and then one in the middle of them all: `middle` of the row's number, if any.
fn clustered(number: usize, middle: impl Fn(usize) -> Option<usize>) -> [f32; DIMENSIONS] {
    match middle(number) {
        Some(which) => vector(which).map(|part| part / 8.0),
        None => {
            let (centre, around) = (vector(1_000_000 + number % 16), vector(number));
            core::array::from_fn(|at| centre[at] + around[at] / 2.0)
        }
    }
}

/// How many of some rows a search for their own vector does not find.
fn misses(index: &Index, rows: impl Iterator<Item = usize>, row: impl Fn(usize) -> [f32; DIMENSIONS]) -> usize {
    rows.filter(|&number| found(index, row(number))[0] != number as u64).count()
}

/// A search begins in one cluster, and most links lead to near neighbours. Links to other clusters are what inserts
/// made while there were few nodes.
#[test]
fn a_search_finds_its_way_from_one_cluster_to_any_other() {
    let row = |number| clustered(number, |_| None);
    let mut index = Index::new(config(Quantization::Int8)).unwrap();
    assert!(index.begin_bulk());
    (0..6000).for_each(|number| drop(index.insert(&row(number), None).unwrap()));
    index.end_bulk();
    assert!(index.link_step().unwrap() && is_building(&index));
    index.link_all().unwrap();
    let missed = misses(&index, (0..6000).step_by(7), row);
    assert!(missed <= 4, "{missed} of 858");
}

/// Equal rows in the middle of all clusters are on every way, and each leads to the same few neighbours.
#[test]
fn many_equal_records_are_not_linked_together() {
    let row = |number| clustered(number, |number| (number % 50 == 13).then_some(0));
    let mut index = Index::new(config(Quantization::Int8)).unwrap();
    assert!(index.begin_bulk());
    (0..6000).for_each(|number| drop(index.insert(&row(number), None).unwrap()));
    index.end_bulk();
    let mut most = 0;
    while index.link_step().unwrap() {
        most = most.max(index.parts.graph.len() * usize::from(is_building(&index)));
    }
    assert_eq!(most, 0, "a build has begun to link");
    assert_eq!((index.check().unwrap().problems, index.pending()), (Vec::new(), 0));
    let missed = misses(&index, (0..6000).filter(|number| number % 50 != 13).step_by(7), row);
    assert!(missed <= 4, "{missed} of 840");
}

/// In a log, insertions and deletions alternate. Some of what is left out of the build is deleted before its end.
#[test]
fn deletions_that_wait_are_carried_out() {
    let mut index = Index::new(config(Quantization::Int8)).unwrap();
    assert!(index.begin_bulk());
    for number in 0..LEAST + 900 {
        index.insert(&vector(number % LEAST), None).unwrap();
        if number % 3 == 0 {
            assert!(index.delete(&Id::Number(number as u64 - number as u64 % 2)).unwrap() || number % 2 == 1);
        }
    }
    index.end_bulk();
    index.link_all().unwrap();
    assert_eq!(index.check().unwrap().problems, Vec::<String>::new());
    for number in 0..50 {
        index.insert(&vector(10_000 + number), None).unwrap();
    }
    index.compact_start().unwrap();
    while index.compact_step(1_000_000).unwrap() {}
    index.compact_finish().unwrap();
    assert_eq!(index.check().unwrap().problems, Vec::<String>::new());
}
