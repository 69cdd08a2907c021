//! Which warm copies are dropped, and in which order.

use super::super::{Place, Records};
use super::Given;
use crate::format::{AS_IT_IS, StoredBlock};
use crate::types::Slot;

/// Those of a small arena, on every platform.
const SLAB_BYTES: usize = 1 << 20;
/// Ten records fill a slab.
const PAYLOAD_BYTES: usize = SLAB_BYTES / 10 - 4_000;

struct Tiers {
    records: Records,
    blocks: u32,
    given: Vec<Given>,
}

impl Tiers {
    /// `count` records that are warm and stored.
    fn new(count: usize) -> Self {
        let mut tiers = Self { records: Records::new(2), blocks: 0, given: Vec::new() };
        tiers.records.store(0).unwrap();
        tiers.add(count);
        tiers
    }

    fn add(&mut self, count: usize) {
        let number = self.blocks;
        let stored = StoredBlock {
            number,
            codec: AS_IT_IS,
            stored_bytes: 4,
            raw_bytes: 4,
            checksum: 0,
            records: count as u32,
            dead: 0,
            earliest_expiry_ms: f64::INFINITY,
        };
        self.records.cold.add(stored).unwrap();
        for ordinal in 0..count {
            let slot = Slot(self.given.len() as u32);
            let given = Given::new(slot.0, PAYLOAD_BYTES);
            self.records.append(slot, given.inverse_norm, &given.vector, given.kind, &given.payload).unwrap();
            self.records.set_place(slot, Place { block: number, ordinal: ordinal as u8 });
            self.given.push(given);
        }
        self.records.reserve_read_marks(self.given.len()).unwrap();
        self.blocks += 1;
        self.records.cold.keep_below(self.blocks);
    }

    fn read(&self, slots: impl IntoIterator<Item = u32>) {
        let slots: Vec<u32> = slots.into_iter().collect();
        self.records.plan(slots.into_iter().map(Slot)).unwrap();
    }

    fn demote(&mut self, slabs: usize) {
        self.records.demote(slabs * SLAB_BYTES).unwrap();
        assert!(self.records.warm.slab_bytes() <= slabs * SLAB_BYTES);
    }

    /// The warm slots, each of whose records is as given.
    fn warm(&self) -> Vec<u32> {
        let slots = 0..self.given.len() as u32;
        let warm: Vec<u32> = slots.filter(|&slot| self.records.warm.contains(Slot(slot))).collect();
        for &slot in &warm {
            let (given, record) = (&self.given[slot as usize], self.records.record(Slot(slot)).unwrap());
            assert_eq!((record.vector, record.payload), (given.vector.as_slice(), given.payload.as_slice()));
        }
        warm
    }
}

#[test]
fn what_nobody_reads_goes_in_the_order_in_which_it_came() {
    let mut tiers = Tiers::new(60);
    for slabs in [5, 3, 2] {
        tiers.demote(slabs);
        let warm = tiers.warm();
        let first = 60 - warm.len() as u32;
        assert!(warm.len() > 10 * (slabs - 1) - 1 && warm.into_iter().eq(first..60), "{slabs} slabs");
    }
    tiers.demote(0);
    assert!(tiers.warm().is_empty());
}

#[test]
fn what_is_read_stays_warm_while_anything_else_can_go() {
    let mut tiers = Tiers::new(60);
    let hot = [3, 17, 29, 41, 55];
    for round in 0..20 {
        tiers.read(hot);
        tiers.demote(2);
        let warm = tiers.warm();
        assert!(hot.iter().all(|slot| warm.contains(slot)), "round {round}: {warm:?}");
        tiers.add(20);
    }
    // These are not read again, so they go like all others, after those that were there earlier.
    tiers.demote(2);
    tiers.add(30);
    tiers.demote(2);
    assert!(tiers.warm().iter().all(|slot| !hot.contains(slot)));
}

/// That a record was read is noted by its slot, and has to move with it when a compaction moves the record: otherwise
/// another one stays warm.
#[test]
fn what_is_read_stays_warm_in_whatever_slot() {
    let mut tiers = Tiers::new(60);
    tiers.read([3]);
    tiers.records.swap(Slot(3), Slot(17));
    tiers.given.swap(3, 17);
    tiers.demote(2);
    let warm = tiers.warm();
    assert!(warm.contains(&17) && !warm.contains(&3), "{warm:?}");
}

#[test]
fn a_new_record_is_not_spared_for_one_that_was_read_in_its_slot() {
    let mut tiers = Tiers::new(60);
    tiers.read([41]);
    tiers.records.remove(Slot(41));
    let given = &tiers.given[41];
    tiers.records.append(Slot(41), given.inverse_norm, &given.vector, given.kind, &given.payload).unwrap();
    tiers.records.set_place(Slot(41), Place { block: 0, ordinal: 41 });
    tiers.add(40);
    tiers.demote(2);
    let warm = tiers.warm();
    assert!(!warm.contains(&41), "{warm:?}");
}

#[test]
fn a_slab_that_is_mostly_read_is_left_alone_once() {
    let mut tiers = Tiers::new(50);
    tiers.read(10..16);
    tiers.demote(3);
    let warm = tiers.warm();
    assert!((10..16).all(|slot| warm.contains(&slot)), "{warm:?}");
    tiers.demote(2);
    assert!((10..16).all(|slot| !tiers.warm().contains(&slot)), "{:?}", tiers.warm());
}

#[test]
fn the_budget_counts_more_than_what_was_read() {
    let mut tiers = Tiers::new(60);
    tiers.read(0..60);
    tiers.demote(2);
    let warm = tiers.warm();
    assert!(
        !warm.is_empty() && warm.iter().copied().eq(60 - warm.len() as u32..60),
        "of equals the oldest go: {warm:?}"
    );
}

#[test]
fn equal_calls_give_up_equal_records() {
    let run = || {
        let (mut tiers, mut state) = (Tiers::new(40), 7u32);
        let mut seen = Vec::new();
        for _ in 0..25 {
            let mut next = |below: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) % below
            };
            let count = tiers.given.len() as u32;
            let (reads, added, slabs) = (next(30), next(12), next(5));
            tiers.read((0..reads).map(|_| next(count)));
            tiers.add(added as usize + 1);
            tiers.demote(slabs as usize);
            let warm = tiers.warm();
            let bytes = warm.len() * tiers.given[0].bytes();
            assert_eq!(tiers.records.warm.live_bytes(), bytes);
            seen.push(warm);
        }
        seen
    };
    assert_eq!(run(), run());
}

/// A single record that the store does not keep yet would hold a whole slab.
#[test]
fn what_is_not_kept_yet_moves_out_of_the_way() {
    let mut tiers = Tiers::new(45);
    let last = Given::new(45, PAYLOAD_BYTES);
    tiers.records.append(Slot(45), last.inverse_norm, &last.vector, last.kind, &last.payload).unwrap();
    tiers.given.push(last);
    tiers.records.demote(SLAB_BYTES / 4).unwrap();
    assert_eq!(tiers.warm(), [45]);
    assert!(tiers.records.warm.slab_bytes() < SLAB_BYTES / 4, "{}", tiers.records.warm.slab_bytes());
    // Nothing is left to drop until the store keeps more.
    tiers.records.demote(0).unwrap();
    assert_eq!(tiers.warm(), [45]);
}
