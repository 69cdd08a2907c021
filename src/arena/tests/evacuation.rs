use super::*;
use crate::arena::Evacuation;
use proptest::prelude::*;

/// Records of the given payload lengths in slots from 0 on, with those of `removed` removed again.
fn filled(lengths: &[usize], removed: impl Fn(u32) -> bool) -> (Arena, Model) {
    let (mut arena, mut model) = (Arena::new(DIMENSIONS), Model::new());
    for (slot, &length) in lengths.iter().enumerate() {
        append(&mut arena, &mut model, slot as u32, Given::new(slot as u32, length));
    }
    for slot in (0..lengths.len() as u32).filter(|&slot| removed(slot)) {
        assert!(arena.remove(Slot(slot)));
        model.remove(&slot);
    }
    (arena, model)
}

/// Bytes of the tables, which are counted as resident but not managed by an evacuation.
fn tables(arena: &Arena) -> usize {
    arena.resident_bytes() - arena.slabs.slab_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// An evacuation is dropped after any number of steps of any size. The records stay whole and the counts right, and
    /// the next evacuation completes the work.
    #[test]
    fn may_be_dropped_at_any_step(
        lengths in prop::collection::vec(prop_oneof![4 => 0usize..46, 1 => 46usize..300], 1..120),
        removed in prop::collection::vec(any::<bool>(), 120),
        budget in 0usize..300,
        steps in 0usize..60,
    ) {
        let slots = lengths.len() as u32;
        let (mut arena, model) = filled(&lengths, |slot| removed[slot as usize]);
        let held = arena.slabs.grown_bytes();
        let mut dropped = Evacuation::plan(&arena, 0).unwrap();
        for _ in 0..steps {
            let more = dropped.step(&mut arena, budget).unwrap();
            compare(&arena, &model, slots);
            // One slab, and less than another for the tails left by records of up to a quarter of a slab.
            prop_assert!(arena.slabs.slab_bytes() < held + 2 * SLAB_BYTES);
            if !more {
                break;
            }
        }
        let mut last = Evacuation::plan(&arena, 0).unwrap();
        while last.step(&mut arena, budget).unwrap() {
            compare(&arena, &model, slots);
        }
        compare(&arena, &model, slots);
        prop_assert_eq!(arena.stale_bytes(), 0);
        prop_assert_eq!(last.done_bytes(), last.total_bytes());
    }

    /// With records of one length, never more than one slab is added, and at the end less than one is spare.
    #[test]
    fn needs_one_slab_more_and_leaves_less_than_one(
        length in 0usize..12,
        removed in prop::collection::vec(prop::bool::weighted(0.3), 1..300),
        budget in 0usize..400,
    ) {
        let lengths = vec![length; removed.len()];
        let (mut arena, model) = filled(&lengths, |slot| removed[slot as usize]);
        let slabs = arena.slabs.count();
        let before = arena.resident_bytes();
        let had_stale = arena.stale_bytes() > 0;
        let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
        while evacuation.step(&mut arena, budget).unwrap() {
            prop_assert!(arena.slabs.slab_bytes() <= (slabs + 1) * SLAB_BYTES);
        }
        compare(&arena, &model, removed.len() as u32);
        prop_assert_eq!(arena.stale_bytes(), 0);
        prop_assert_eq!(evacuation.signed(), before as i64 - arena.resident_bytes() as i64);
        if had_stale {
            // Each sealed slab keeps a tail shorter than a record, of at most 8 words.
            let tails = arena.slabs.count() * 8 * 4;
            prop_assert!(arena.slabs.slab_bytes() <= arena.slabs.live_bytes() + SLAB_BYTES + tails);
        }
        prop_assert!(Evacuation::plan(&arena, 0).unwrap().total_bytes() == 0);
    }
}

#[test]
fn a_small_arena_shrinks_to_what_is_live() {
    let (mut arena, model) = filled(&[8; 8], |slot| slot >= 3);
    let before = arena.resident_bytes();
    let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
    assert!(!evacuation.step(&mut arena, usize::MAX).unwrap());
    compare(&arena, &model, 8);
    assert_eq!(arena.slabs.slab_bytes(), arena.slabs.live_bytes());
    assert_eq!(evacuation.reclaimed_bytes(), before - arena.resident_bytes());
    assert!(evacuation.reclaimed_bytes() >= 5 * 28);
}

#[test]
fn an_arena_of_the_dead_gives_everything_back() {
    let (mut arena, model) = filled(&[8, 300, 8, 40, 1000, 0, 0, 44], |_| true);
    let (before, used) = (arena.resident_bytes(), arena.stale_bytes());
    let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
    assert_eq!(evacuation.total_bytes(), used);
    let mut steps = 0;
    while evacuation.step(&mut arena, 1).unwrap() {
        steps += 1;
    }
    assert!(steps > 1, "a slab at a time");
    compare(&arena, &model, 8);
    assert_eq!((arena.slabs.count(), arena.slabs.slab_bytes()), (0, 0));
    assert_eq!(evacuation.reclaimed_bytes(), before - tables(&arena));
}

#[test]
fn nothing_stale_is_nothing_to_do() {
    let (mut arena, model) = filled(&[8; 40], |_| false);
    let before = arena.resident_bytes();
    let slabs = arena.slabs.count();
    let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
    assert_eq!(evacuation.total_bytes(), 0);
    assert!(!evacuation.step(&mut arena, 1).unwrap());
    compare(&arena, &model, 40);
    assert_eq!(arena.slabs.count(), slabs);
    assert_eq!(evacuation.reclaimed_bytes(), before - arena.resident_bytes());
}

#[test]
fn little_stale_slabs_are_left_when_asked() {
    // 9 records of 7 words a slab: one removed of the first nine, six of the next nine.
    let (mut arena, model) = filled(&[8; 27], |slot| slot == 0 || (9..15).contains(&slot));
    let mut evacuation = Evacuation::plan(&arena, 100).unwrap();
    assert_eq!(evacuation.total_bytes(), 9 * 28, "one slab");
    while evacuation.step(&mut arena, 1).unwrap() {}
    compare(&arena, &model, 27);
    assert_eq!(arena.stale_bytes(), 28);
}

#[test]
fn indices_of_dropped_slabs_are_used_again() {
    let (mut arena, mut model) = filled(&[8; 9 * 20], |_| false);
    let slabs = arena.slabs.count();
    let mut high_water = 0;
    for cycle in 0..100u32 {
        for slot in (0..180).filter(|slot| (slot + cycle) % 3 == 0) {
            append(&mut arena, &mut model, slot, Given::new(slot + cycle, 8));
        }
        let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
        while evacuation.step(&mut arena, 100).unwrap() {
            high_water = high_water.max(arena.slabs.table_len());
        }
        compare(&arena, &model, 180);
        assert_eq!(arena.stale_bytes(), 0);
    }
    // A third is written again before each evacuation, which itself needs one slab.
    assert!(high_water <= slabs + slabs.div_ceil(3) + 2, "{high_water} indices for {slabs} slabs");
}

#[test]
fn a_step_is_bounded_by_its_budget() {
    let (mut arena, model) = filled(&[8; 180], |slot| slot % 3 == 0);
    let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
    let mut steps = 0;
    loop {
        let done = evacuation.done_bytes();
        let more = evacuation.step(&mut arena, 64).unwrap();
        // 64 bytes are two or three records. Dropping a slab ends the step.
        assert!(evacuation.done_bytes() - done <= 4 * 28);
        steps += 1;
        if !more {
            break;
        }
    }
    assert!(steps >= 180 / 4);
    compare(&arena, &model, 180);
}

#[test]
fn a_job_of_another_arena_harms_nothing() {
    let (mut old, _) = filled(&[8; 60], |slot| slot % 2 == 0);
    let mut job = Evacuation::plan(&old, 0).unwrap();
    assert!(job.step(&mut old, 1).unwrap());
    // Records of other lengths, so that the job's offset in its slab is not where a record begins.
    let (mut arena, model) = filled(&[0, 20, 3, 41, 300, 16, 1, 7, 30, 12], |slot| slot % 3 == 0);
    while job.step(&mut arena, 1).unwrap() {
        compare(&arena, &model, 10);
    }
    compare(&arena, &model, 10);
}

#[test]
fn two_jobs_at_once_agree() {
    let (mut arena, model) = filled(&[8; 180], |slot| slot % 3 == 0);
    let mut jobs = [Evacuation::plan(&arena, 0).unwrap(), Evacuation::plan(&arena, 0).unwrap()];
    let mut turn = 0;
    while jobs[turn % 2].step(&mut arena, 40).unwrap() || jobs[(turn + 1) % 2].step(&mut arena, 40).unwrap() {
        compare(&arena, &model, 180);
        turn += 1;
    }
    compare(&arena, &model, 180);
    assert_eq!(arena.stale_bytes(), 0);
}

#[test]
fn long_records_are_never_copied() {
    let (mut arena, model) = filled(&[300, 8, 300, 8, 300, 8], |slot| slot == 0 || slot == 1);
    let at = |arena: &Arena, slot| arena.vector(Slot(slot)).unwrap().as_ptr();
    let before = [at(&arena, 2), at(&arena, 4)];
    let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
    while evacuation.step(&mut arena, 1).unwrap() {}
    compare(&arena, &model, 6);
    assert_eq!([at(&arena, 2), at(&arena, 4)], before);
    assert_eq!(arena.slabs.slab_bytes(), arena.slabs.live_bytes());
}

#[test]
fn the_most_stale_slab_goes_first() {
    // 9 records a slab: 1, 7 and 4 of them removed.
    let (mut arena, model) = filled(&[8; 27], |slot| slot == 0 || (9..16).contains(&slot) || slot >= 23);
    let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
    let stale = arena.stale_bytes();
    while arena.stale_bytes() > stale - 7 * 28 {
        assert!(evacuation.step(&mut arena, 1).unwrap());
    }
    assert_eq!(evacuation.done_bytes(), 9 * 28, "one slab emptied gives the seven back");
    compare(&arena, &model, 27);
}

#[test]
fn slabs_allocated_ahead_are_given_back_at_the_end() {
    let (mut arena, model) = filled(&[8; 9], |slot| slot == 0);
    arena.reserve_ahead(9, 1000).unwrap();
    arena.reserve(Slot(0), 5000).unwrap();
    assert!(arena.slabs.slab_bytes() > 1000 * 20 - SLAB_BYTES);
    let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
    assert!(!evacuation.step(&mut arena, usize::MAX).unwrap());
    compare(&arena, &model, 9);
    assert_eq!(arena.slabs.slab_bytes(), arena.slabs.live_bytes());
}
