//! Tests that need access to the inside of an index.

#![allow(clippy::unwrap_used)]

use super::{Config, Index, SearchOptions};
use crate::metric::Metric;
use crate::quantize::Quantization;
use crate::segments::segments_of;
use crate::types::{Id, Slot};
use proptest::prelude::*;
use std::collections::BTreeSet;

const DIMENSIONS: usize = 4;

/// SplitMix64, from a seed.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 27)
    }

    const fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// On a coarse grid, where many distances are equal.
    fn vector(&mut self) -> [f32; DIMENSIONS] {
        core::array::from_fn(|at| self.below(9) as f32 - if at == 0 { 4.5 } else { 4.0 })
    }
}

/// An index with live, deleted and free slots, and nodes that wait to be linked in some of these.
fn index(metric: Metric, quantization: Quantization, random: &mut Random) -> Index {
    let config = Config { metric, quantization, m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) };
    let mut index = Index::new(config).unwrap();
    let mut change = |index: &mut Index, inserts: u64| {
        for _ in 0..inserts {
            index.insert(&random.vector(), None).unwrap();
        }
        let ids: Vec<Id> = index.iter().map(|record| record.id).collect();
        // One in five, or none.
        let one_in = [5, u64::MAX][random.below(2) as usize];
        for id in ids.into_iter().filter(|_| random.below(one_in) == 0) {
            assert!(index.delete(&id).unwrap());
        }
        random.below(4)
    };
    let gaps = change(&mut index, 300);
    if gaps < 3 {
        index.compact_start().unwrap();
        while gaps == 0 || index.compact_progress().unwrap().phase == "graph" {
            if !index.compact_step(1).unwrap() {
                break;
            }
        }
        index.compact_abort();
    }
    if change(&mut index, 10) < 2 {
        index.pending.holds = true;
        change(&mut index, 50);
        index.pending.holds = false;
    }
    index
}

/// What a burst has left to link is linked as if it had been at once, also where calls link some of it in between.
#[test]
fn a_burst_is_linked_as_without_one() {
    for quantization in [Quantization::None, Quantization::Int8, Quantization::Binary] {
        let config = Config { quantization, m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) };
        let [mut burst, mut alone] = [Index::new(config).unwrap(), Index::new(config).unwrap()];
        let random = &mut Random(11);
        let mut most = 0;
        for step in 0..2000_u64 {
            let (vector, id) = (random.vector(), Id::from(random.below(300)));
            let (kind, expires_ms) = (random.below(10), (random.below(9) == 0).then_some(step as f64 + 40.0));
            burst.put_off_links(random.below(20) > 0);
            assert_eq!(burst.expire(step as f64), alone.expire(step as f64));
            for index in [&mut burst, &mut alone] {
                match kind {
                    0..6 => index.upsert_expiring(id.clone(), &vector, None, expires_ms).unwrap(),
                    6..8 => drop(index.insert_expiring(&vector, None, expires_ms).unwrap()),
                    _ => drop(index.delete(&id).unwrap()),
                }
            }
            most = most.max(burst.pending());
            if random.below(30) == 0 {
                burst.link_step().unwrap();
            }
            if random.below(400) == 0 {
                burst.link_all().unwrap();
            }
        }
        assert!(most > 20, "{most} have waited");
        assert_eq!(alone.pending(), 0);
        burst.link_all().unwrap();
        assert!(burst.check().unwrap().ok);
        assert!(burst.export().unwrap() == alone.export().unwrap(), "{quantization:?}");
    }
}

/// Fills all lists with links to any slot that exists, or nowhere, some marked, and sets any entry point or none.
fn make_up_links(index: &mut Index, random: &mut Random) {
    let graph = &mut index.parts.graph;
    let slots = graph.len() as u64;
    let (ends, near) = (1 + random.below(12), 1 + random.below(slots));
    let link = |random: &mut Random| {
        // Most links lead to the same few slots.
        let below = if random.below(3) == 0 { slots } else { near };
        let mark = (random.next() as u32) & (1 << 31);
        if ends > 1 && random.below(ends) == 0 { u32::MAX } else { random.below(below) as u32 | mark }
    };
    for segment in 0..segments_of(slots as usize) {
        graph.base_lists_mut(segment).fill_with(|| link(random));
        graph.upper_lists_mut(segment).fill_with(|| link(random));
    }
    let entry = Slot(random.below(slots + 2) as u32);
    graph.set_entry(Some(entry).filter(|_| random.below(9) > 0));
}

/// An export of the index that `insert_many` gives, with a pool of threads or as without the feature.
#[cfg(feature = "rayon")]
fn many(threads: Option<usize>, metric: Metric, quantization: Quantization) -> Vec<u8> {
    use super::NewRecord;
    let random = &mut Random(7);
    let mut index = index(metric, quantization, random);
    let vectors: Vec<_> = (0..2000).map(|_| random.vector()).collect();
    let records: Vec<_> = vectors.iter().map(|vector| NewRecord::new(vector)).collect();
    let insert = |index: &mut Index| index.insert_many(&records).map(drop);
    match threads {
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| insert(&mut index)).unwrap();
        }
        None => {
            let alone = super::parallel::threads::Restored::want(super::parallel::Threads::Caller);
            insert(&mut index).unwrap();
            drop(alone);
        }
    }
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    index.export().unwrap()
}

#[cfg(feature = "rayon")]
#[test]
fn many_are_inserted_as_without_threads() {
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        for quantization in [Quantization::None, Quantization::Int8, Quantization::Binary] {
            let alone = many(None, metric, quantization);
            for threads in [1, 2, 4] {
                assert!(many(Some(threads), metric, quantization) == alone, "{metric:?}, {quantization:?}, {threads}");
            }
        }
    }
}

/// The share of links that lead no farther in memory than 16 slots.
fn nearby(index: &Index) -> f64 {
    let graph = &index.parts.graph;
    let slots = (0..graph.len() as u32).map(Slot);
    let steps: Vec<u32> =
        slots.flat_map(|slot| graph.neighbours(slot).map(move |other| slot.0.abs_diff(other.0))).collect();
    steps.iter().filter(|&&step| step <= 16).count() as f64 / steps.len() as f64
}

#[test]
fn packing_puts_neighbours_side_by_side_and_changes_nothing_else() {
    for deleted_one_in in [u64::MAX, 3] {
        let random = &mut Random(4);
        let mut index = Index::new(Config { metric: Metric::L2, m: 8, ..Config::new(DIMENSIONS) }).unwrap();
        for _ in 0..9000 {
            let vector: [f32; DIMENSIONS] = core::array::from_fn(|_| random.below(1 << 20) as f32);
            index.insert(&vector, None).unwrap();
        }
        for number in (0..9000).filter(|number| number % deleted_one_in == 1) {
            index.delete(&Id::from(number)).unwrap();
        }
        index.compact().unwrap();
        let queries: Vec<[f32; DIMENSIONS]> =
            (0..50).map(|_| core::array::from_fn(|_| random.below(1 << 20) as f32)).collect();
        let found = |index: &Index| -> Vec<_> {
            queries.iter().map(|query| index.search(query, SearchOptions::default()).unwrap()).collect()
        };
        let (before, scattered, held) = (found(&index), nearby(&index), index.stats().bytes);
        let live = index.len();
        index.pack_start().unwrap();
        let mut most = 0;
        while index.compact_step(500).unwrap() {
            let bytes = index.stats().bytes;
            most = most.max(bytes.graph + bytes.codes);
        }
        let report = index.compact_finish().unwrap();
        assert_eq!((report.tombstones_removed, report.new_size, index.deleted()), (0, live, 0));
        assert_eq!(index.parts.slots(), live, "without gaps");
        assert_eq!(found(&index), before);
        assert!(index.check().unwrap().ok);
        let nearby = nearby(&index);
        assert!(scattered < 0.02 && nearby > 0.2, "{scattered} to {nearby}");
        // A window is of whole segments of 1,024 slots.
        let beside = (live / 4 + 1024) as f64 / live as f64;
        let more = most as f64 / (held.graph + held.codes) as f64;
        assert!(more < 1.0 + 1.2 * beside, "{more} times as much");
        let after = index.stats().bytes;
        assert!(after.graph + after.codes <= held.graph + held.codes);
        assert_eq!(
            (report.reclaimed_bytes.graph, report.reclaimed_bytes.codes),
            (held.graph - after.graph, held.codes - after.codes)
        );
    }
}

/// In an index that was imported and where few records expire, the arrays of records and moments end at the last slot
/// that has one. What packing moves beyond that must not be lost or cause a panic.
#[test]
fn packing_moves_records_behind_the_last_one() {
    let random = &mut Random(8);
    let mut index = Index::new(Config { m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) }).unwrap();
    for number in 0..4000 {
        index.insert_expiring(&random.vector(), None, (number < 10).then_some(1e15)).unwrap();
    }
    for number in 1500..4000_u64 {
        index.delete(&Id::from(number)).unwrap();
    }
    let imported = Index::import(&index.export().unwrap()).unwrap();
    let records = |index: &Index| -> Vec<_> {
        let mut all: Vec<_> = index.iter().map(|record| (record.id.clone(), record.vector.to_vec())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let before = records(&index);
    assert_eq!(before.len(), 1500);
    for mut index in [index, imported] {
        // First with the tombstones, then with none but those that the job makes.
        for _ in 0..2 {
            index.pack_start().unwrap();
            while index.compact_step(1).unwrap() {}
            index.compact_finish().unwrap();
            assert_eq!(records(&index), before);
            assert_eq!(index.expire(1e14), 0);
        }
        assert!(index.check().unwrap().ok);
        assert_eq!(records(&Index::import(&index.export().unwrap()).unwrap()), before);
        assert_eq!(index.expire(1e15), 10);
    }
}

#[test]
fn packing_a_few_records_takes_a_few_steps_and_no_room() {
    // In the last case the last window is of one slot.
    for count in [1, 5, 1023, 2049] {
        let random = &mut Random(count);
        let mut index = Index::new(Config { m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) }).unwrap();
        for _ in 0..count {
            index.insert(&random.vector(), None).unwrap();
        }
        index.compact().unwrap();
        let held = index.stats().bytes;
        index.pack_start().unwrap();
        let (mut steps, mut most) = (0, 0);
        while index.compact_step(1).unwrap() {
            steps += 1;
            most = most.max(index.stats().bytes.codes);
        }
        assert!(steps < 150 + 20 * count && most <= 3 * held.codes, "{count} records: {steps} steps, {most} bytes");
        index.compact_finish().unwrap();
        assert!(index.check().unwrap().ok);
    }
}

/// A compaction that needs more memory than the budget leaves is refused before it begins.
#[test]
fn packing_stays_within_the_budget() {
    let random = &mut Random(5);
    let mut index = Index::new(Config { m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) }).unwrap();
    for _ in 0..3000 {
        index.insert(&random.vector(), None).unwrap();
    }
    index.config.max_bytes = Some(index.stats().bytes.total() + 1000);
    assert!(matches!(index.pack_start(), Err(crate::index::Error::OverBudget)));
    assert_eq!(index.compact_progress(), None);
    index.compact_start().unwrap();
    index.config.max_bytes = None;
    index.compact_abort();
    index.pack_start().unwrap();
    assert!(index.compact_progress().is_some());
}

#[test]
fn packing_what_is_empty_or_all_deleted_ends() {
    for count in [0, 1, 900, 6000] {
        let random = &mut Random(count);
        let mut index = Index::new(Config { m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) }).unwrap();
        for _ in 0..count {
            index.insert(&random.vector(), None).unwrap();
        }
        for number in 0..count {
            index.delete(&Id::from(number)).unwrap();
        }
        index.pack_start().unwrap();
        assert_eq!(index.compact().unwrap().tombstones_removed, count as usize);
        assert_eq!((index.len(), index.deleted(), index.parts.slots()), (0, 0, 0));
        index.insert(&random.vector(), None).unwrap();
        assert!(index.check().unwrap().ok);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Stored links are followed before they are proven. Whatever they are, a search ends, and returns as many live
    /// records as there are, up to `k`, each once.
    #[test]
    fn made_up_links_lead_a_search_nowhere_but_to_live_records(seed in any::<u64>(), metric in 0..3usize, full in any::<bool>()) {
        let random = &mut Random(seed);
        let metric = [Metric::Cosine, Metric::L2, Metric::Dot][metric];
        let quantization = if full { Quantization::None } else { Quantization::Int8 };
        let mut index = index(metric, quantization, random);
        make_up_links(&mut index, random);
        for _ in 0..20 {
            let (k, ef) = (1 + random.below(12) as usize, 1 + random.below(6) as usize);
            let one_in = 1 + random.below(3);
            let passes = |id: &Id| matches!(id, Id::Number(number) if number.is_multiple_of(one_in));
            let mut filter = passes;
            let options = SearchOptions::top(k).with_ef(ef);
            let options = if one_in == 1 { options } else { options.with_filter(&mut filter) };
            let hits = index.search(&random.vector(), options).unwrap();
            let ids: BTreeSet<&Id> = hits.iter().map(|hit| &hit.id).collect();
            let live = index.iter().filter(|record| passes(&record.id)).count();
            prop_assert_eq!((hits.len(), ids.len()), (k.min(live), k.min(live)));
            for id in ids {
                prop_assert!(index.contains(id).unwrap() && passes(id));
            }
        }
    }
}
