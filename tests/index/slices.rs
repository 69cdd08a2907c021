//! Compaction step by step: everything is allowed between two steps, and a job can be dropped after any of them.

use thermocline::{Clock, Config, Id, Index, Payload, Quantization, SearchOptions};

use crate::support::{Clusters, METRICS, Model, OwnPayload, Rng, build, sound};

const DIMENSIONS: usize = 9;

fn config(metric: usize, quantization: Quantization) -> Config {
    Config { metric: METRICS[metric], quantization, m: 4, ef_construction: 24, ..Config::new(DIMENSIONS) }
}

/// `n` records of which about `share` per cent are deleted.
fn with_tombstones(config: Config, n: usize, share: usize) -> Index {
    let mut index = build(config, &Clusters::new(n as u64, 12, DIMENSIONS).vectors(n));
    let mut rng = Rng(77);
    for number in 0..n as u64 {
        if rng.below(100) < share {
            index.delete(&Id::from(number)).unwrap();
        }
    }
    index
}

/// Runs the job to its end in the smallest steps, with `between` after each. Returns the number of steps.
fn step_through(index: &mut Index, mut between: impl FnMut(&mut Index, usize)) -> usize {
    let mut done = 0;
    let total = index.compact_progress().unwrap().total;
    for step in 1.. {
        let more = index.compact_step(1).unwrap();
        let progress = index.compact_progress().unwrap();
        assert!(progress.done >= done && progress.done <= total, "{progress:?} after {done}");
        // However many nodes are relinked: what comes after that is a share of the whole, too.
        assert!(progress.phase != "graph" || progress.done < total, "{progress:?}");
        assert_eq!(progress.total, total);
        done = progress.done;
        between(index, step);
        if !more {
            assert_eq!(done, total);
            return step;
        }
        assert!(step < 100_000, "the job does not end");
    }
    unreachable!()
}

fn start(index: &mut Index, packs: bool) {
    if packs { index.pack_start() } else { index.compact_start() }.unwrap();
}

#[test]
fn anything_goes_between_the_smallest_steps() {
    // Packing works in windows of 1,024 slots here, so use several windows.
    for (metric, quantization, packs, count) in [
        (0, Quantization::Int8, false, 900),
        (1, Quantization::None, false, 900),
        (2, Quantization::Int8, false, 900),
        (0, Quantization::Binary, true, 2100),
        (1, Quantization::Int8, true, 2100),
    ] {
        let mut index = with_tombstones(config(metric, quantization), count, 40);
        let leaving = index.deleted();
        let mut model = Model::of(&index);
        let (mut rng, mut clusters) = (Rng(metric as u64), Clusters::new(3, 12, DIMENSIONS));
        let mut deleted_since = 0;
        start(&mut index, packs);
        let steps = step_through(&mut index, |index, step| {
            let (_, vector) = clusters.draw();
            match step % 11 {
                0 | 5 if !packs || step % 5 == 0 => {
                    let payload = OwnPayload::of(step as u64);
                    let id = index.insert(&vector, payload.borrow()).unwrap();
                    assert!(model.records.insert(id, (vector, payload)).is_none());
                }
                2 | 8 if !packs || step % 5 == 0 => {
                    let at = rng.below(model.records.len());
                    let id = model.records.keys().nth(at).unwrap().clone();
                    model.records.remove(&id);
                    assert!(index.delete(&id).unwrap());
                    deleted_since += 1;
                }
                3 => {
                    let id = Id::from(rng.below(1200) as u64);
                    index.upsert(id.clone(), &vector, None).unwrap();
                    deleted_since += usize::from(model.records.insert(id, (vector, OwnPayload::Nothing)).is_some());
                }
                _ => {
                    let (k, ef) = (1 + rng.below(10), [1, 3, 100][rng.below(3)]);
                    let hits = index.search(&vector, SearchOptions::top(k).with_ef(ef)).unwrap();
                    model.verify_hits(METRICS[metric], &vector, &hits, k, |_| true);
                }
            }
            if !packs || step % 53 == 0 {
                sound(index);
            }
            assert!(index.deleted() <= leaving + deleted_since);
            if step % if packs { 1001 } else { 50 } == 0 {
                model.verify(index);
            }
        });
        assert!(steps > 1000, "{steps} steps are no test");
        model.verify(&index);
        let report = index.compact_finish().unwrap();
        assert_eq!((report.tombstones_removed, report.new_size), (leaving, model.records.len()));
        assert_eq!(index.deleted(), deleted_since, "what was deleted meanwhile waits");
        index.compact().unwrap();
        assert_eq!(index.deleted(), 0);
        model.verify(&index);
    }
}

#[test]
fn a_job_may_be_dropped_after_any_step() {
    for (quantization, packs) in [
        (Quantization::Int8, false),
        (Quantization::Binary, false),
        (Quantization::None, false),
        (Quantization::Int8, true),
    ] {
        // Packing works on several windows, and there are tombstones behind the last record that an import has.
        let mut index =
            with_tombstones(config(1, quantization), if packs { 2100 } else { 150 }, if packs { 10 } else { 50 });
        for number in 2070..2100 {
            index.delete(&Id::from(number)).unwrap();
        }
        let (model, bytes) = (Model::of(&index), index.export().unwrap());
        let mut probe = Index::import(&bytes).unwrap();
        start(&mut probe, packs);
        let steps = step_through(&mut probe, |_, _| {});
        let mut clusters = Clusters::new(1, 3, DIMENSIONS);
        // Packing takes many steps, each similar to its neighbours, so only some are tried.
        for stop in (0..=steps).step_by(if packs { 97 } else { 1 }) {
            let mut index = Index::import(&bytes).unwrap();
            let mut model = model.clone();
            start(&mut index, packs);
            for _ in 0..stop {
                index.compact_step(1).unwrap();
            }
            index.compact_abort();
            assert_eq!((index.compact_progress(), index.compact_finish()), (None, None));
            model.verify(&index);
            // The index can be saved as it is, used further, and compacted after all.
            let again = Index::import(&index.export().unwrap()).unwrap();
            model.verify(&again);
            assert_eq!(again.deleted(), index.deleted());
            for _ in 0..5 {
                let (_, vector) = clusters.draw();
                let id = index.insert(&vector, None).unwrap();
                model.records.insert(id, (vector, OwnPayload::Nothing));
            }
            model.verify(&index);
            index.compact().unwrap();
            model.verify(&index);
            assert_eq!((index.deleted(), index.stats().reclaimable_bytes), (0, 0), "dropped after step {stop}");
        }
    }
}

#[test]
fn records_that_moved_never_count_as_deleted() {
    let mut index = with_tombstones(config(0, Quantization::Int8), 800, 45);
    let (leaving, model) = (index.deleted(), Model::of(&index));
    index.compact_start().unwrap();
    let mut counts = vec![leaving];
    let mut moved = false;
    step_through(&mut index, |index, _| {
        counts.push(index.deleted());
        assert_eq!(index.stats().deleted, index.deleted());
        moved |= index.compact_progress().unwrap().phase == "move";
        if moved {
            assert_eq!(index.deleted(), 0, "all that left is free, and what moved is not deleted");
        }
    });
    assert!(moved);
    assert!(counts.is_sorted_by(|a, b| a >= b), "it only goes down");
    model.verify(&index);
}

#[test]
fn starting_again_joins_the_job_under_way() {
    let mut index = with_tombstones(config(0, Quantization::Int8), 300, 50);
    let leaving = index.deleted();
    index.compact_start().unwrap();
    for _ in 0..50 {
        index.compact_step(1).unwrap();
    }
    let progress = index.compact_progress().unwrap();
    assert!(progress.done > 0);
    index.compact_start().unwrap();
    assert_eq!(index.compact_progress(), Some(progress));
    let live = index.iter().next().unwrap().id.clone();
    index.delete(&live).unwrap();
    let report = index.compact().unwrap();
    assert_eq!((report.tombstones_removed, index.deleted()), (leaving, 1), "the one deleted meanwhile waits");
}

#[test]
fn clearing_ends_the_job() {
    let mut index = with_tombstones(config(0, Quantization::Int8), 300, 50);
    for steps in [0, 10, 700] {
        index.compact_start().unwrap();
        for _ in 0..steps {
            index.compact_step(1).unwrap();
        }
        index.clear().unwrap();
        assert_eq!((index.compact_progress(), index.len(), index.deleted()), (None, 0, 0));
        assert!(!index.compact_step(1000).unwrap());
        let id = index.insert(&[1.0; DIMENSIONS], None).unwrap();
        assert!(id >= Id::from(300), "numbers that were ids are not given again");
        index.delete(&id).unwrap();
        sound(&index);
    }
}

/// Everything is deleted during the job.
#[test]
fn the_last_records_may_go_during_a_job() {
    for steps in [0, 1, 40, 150, 400, 700, 1000, 1500] {
        let mut index = with_tombstones(config(1, Quantization::Int8), 300, 50);
        index.compact_start().unwrap();
        for _ in 0..steps {
            index.compact_step(1).unwrap();
        }
        let ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
        for id in ids {
            index.delete(&id).unwrap();
            sound(&index);
        }
        index.insert_with_id("phoenix", &[0.5; DIMENSIONS], Some(Payload::Json("1"))).unwrap();
        sound(&index);
        while index.compact_step(1).unwrap() {
            sound(&index);
            let hits = index.search(&[0.5; DIMENSIONS], SearchOptions::default()).unwrap();
            assert_eq!(hits.iter().map(|hit| &hit.id).collect::<Vec<_>>(), [&Id::from("phoenix")]);
        }
        index.compact_finish().unwrap();
        index.compact().unwrap();
        assert_eq!((index.len(), index.deleted()), (1, 0));
        sound(&index);
    }
}

/// A clock that advances by a millisecond on each reading.
struct Ticks(core::cell::Cell<f64>);

impl Clock for Ticks {
    fn now_ms(&self) -> f64 {
        self.0.set(self.0.get() + 1.0);
        self.0.get()
    }
}

#[test]
fn slices_are_counted_and_timed_by_the_given_clock() {
    let mut index = with_tombstones(config(0, Quantization::Int8), 800, 40);
    let clock = Ticks(core::cell::Cell::new(0.0));
    assert!(!index.compact_slice(&clock, 4.0).unwrap(), "no job, no work");
    let looks = core::cell::Cell::new(0.0);
    let function = || looks.replace(looks.get() + 1.0);
    assert!(!index.link_slice(&function, 4.0).unwrap(), "a function is a clock, too");
    assert_eq!(looks.get(), 1.0);
    index.compact_start().unwrap();
    let (mut slices, from) = (1, clock.0.get());
    while index.compact_slice(&clock, 4.0).unwrap() {
        slices += 1;
        sound(&index);
    }
    let report = index.compact_finish().unwrap();
    assert!(slices > 3, "{slices}");
    assert_eq!(report.slices, slices);
    assert_eq!(report.longest_slice_ms, 4.0, "a slice ends at the first look beyond its budget");
    assert_eq!(report.duration_ms, clock.0.get() - from - 1.0);
}

/// If a step always takes too long, each step is one node: an engine may run unoptimized code many times slower.
#[test]
fn a_slow_machine_does_one_node_at_a_time() {
    let mut index = with_tombstones(config(0, Quantization::Int8), 400, 30);
    let clock = Ticks(core::cell::Cell::new(0.0));
    index.compact_start().unwrap();
    let mut before = 0;
    while index.compact_slice(&clock, 1.0).unwrap() {
        let done = index.compact_progress().unwrap().done;
        assert!(done - before <= 100, "{before} to {done}");
        before = done;
    }
    let report = index.compact_finish().unwrap();
    assert!(report.slices > 400, "{} slices for 400 nodes", report.slices);
    sound(&index);
}

/// Idle time comes in pieces of any length, and a short one begins with no more work than fits.
#[test]
fn a_short_slice_after_a_long_one_is_short() {
    let mut index = with_tombstones(config(0, Quantization::Int8), 4000, 40);
    let clock = Ticks(core::cell::Cell::new(0.0));
    index.compact_start().unwrap();
    let done = |index: &Index| index.compact_progress().unwrap().done;
    let mut longest = 0;
    loop {
        for (budget_ms, most) in [(20.0, usize::MAX), (0.1, 300), (20.0, usize::MAX), (0.0, 300), (f64::NAN, 300)] {
            let before = done(&index);
            if !index.compact_slice(&clock, budget_ms).unwrap() {
                assert!(longest > 5000, "{longest}");
                return;
            }
            let amount = done(&index) - before;
            assert!(amount < most, "{amount} within {budget_ms} ms");
            longest = longest.max(amount);
        }
    }
}

/// The speed of one kind of work says little about another's, so a step never continues into the next kind.
#[test]
fn a_step_is_of_one_kind_of_work() {
    let mut index = with_tombstones(config(0, Quantization::Int8), 400, 30);
    index.compact_start().unwrap();
    let mut phases = vec![index.compact_progress().unwrap().phase];
    while index.compact_step(usize::MAX).unwrap() {
        phases.push(index.compact_progress().unwrap().phase);
        sound(&index);
    }
    assert!(phases.len() > 6, "{phases:?}");
    phases.dedup();
    assert_eq!(phases, ["graph", "move", "warm"]);
}

#[test]
fn an_index_without_live_records_is_emptied_in_small_steps() {
    for (metric, refills) in [(0, false), (1, true)] {
        let mut index = with_tombstones(config(metric, Quantization::Int8), 6000, 100);
        assert_eq!((index.len(), index.deleted()), (0, 6000));
        let (mut clusters, mut inserted) = (Clusters::new(3, 12, DIMENSIONS), 0);
        index.compact_start().unwrap();
        let steps = step_through(&mut index, |index, step| {
            if refills && step > 2000 && step % 300 == 0 {
                index.insert(&clusters.draw().1, None).unwrap();
                inserted += 1;
            }
            if step % 900 == 0 {
                sound(index);
            }
        });
        assert!(steps > 4 * 6000, "a step is about a node: {steps} steps");
        let report = index.compact_finish().unwrap();
        assert_eq!((report.tombstones_removed, report.new_size, index.deleted()), (6000, inserted, 0));
        assert!(report.reclaimed_bytes.graph > 6000 * 2 * 4 * 4 && report.reclaimed_bytes.codes > 6000 * 100);
        sound(&index);
        assert!(index.stats().bytes.graph < 600_000, "{:?}", index.stats().bytes);
    }
}
