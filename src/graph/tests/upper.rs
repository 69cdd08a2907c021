//! The lists above level 0, compared with a plain map of them.

use super::super::links::END;
use super::super::upper::Upper;
use super::super::{Graph, draw_level};
use crate::segments::Run;
use crate::types::{Level, OutOfMemory, Slot};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Model = BTreeMap<(u32, u8), Vec<u32>>;

#[derive(Clone, Debug)]
enum Op {
    Add(u32, u8),
    Remove(u32),
    /// Room for a node that is never added.
    Reserve(u32, u8),
    Write(u32, u8, u32),
    Truncate(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let slot = || prop_oneof![0u32..6, 1020u32..1028, 0u32..4000];
    let level = || prop_oneof![0u8..3, 0u8..16];
    prop_oneof![
        8 => (slot(), level()).prop_map(|(slot, level)| Op::Add(slot, level)),
        4 => slot().prop_map(Op::Remove),
        1 => (slot(), level()).prop_map(|(slot, level)| Op::Reserve(slot, level)),
        8 => (slot(), level(), 0u32..99).prop_map(|(slot, level, word)| Op::Write(slot, level, word)),
        1 => (0usize..4000).prop_map(Op::Truncate),
    ]
}

fn level_in(model: &Model, slot: u32) -> u8 {
    model.range((slot, 0)..=(slot, 15)).next_back().map_or(0, |(key, _)| key.1)
}

/// Asserts that both hold the same lists. Returns the bytes that the lists and their keys need.
fn compare(upper: &Upper, model: &Model, m: usize) -> usize {
    assert_eq!(upper.len(), model.len());
    for slot in (0..4100).chain([u32::MAX - 1]) {
        let top = level_in(model, slot);
        assert_eq!(upper.top(Slot(slot)), Level(top), "slot {slot}");
        for level in [1, 2, 3, top, top + 1, 15] {
            let expected = model.get(&(slot, level)).map_or(&[][..], Vec::as_slice);
            assert_eq!(upper.list(Slot(slot), Level(level)), expected, "slot {slot} on level {level}");
        }
    }
    // In the order in which they are stored: by slot, then by level.
    assert!((0..upper.segments()).flat_map(|segment| upper.lists(segment)).eq(model.values().flatten()));
    model.len() * (4 * m + 2)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_map(m in 1usize..6, ops in prop::collection::vec(op(), 1..80)) {
        let (mut upper, mut model) = (Upper::new(m), Model::new());
        for op in ops {
            let held = upper.resident_bytes();
            match op {
                Op::Add(slot, level) => {
                    upper.remove(Slot(slot));
                    model.retain(|key, _| key.0 != slot);
                    upper.reserve(Slot(slot), Level(level)).unwrap();
                    let reserved = upper.resident_bytes();
                    upper.add(Slot(slot), Level(level));
                    prop_assert_eq!(upper.resident_bytes(), reserved, "adding allocates nothing");
                    model.extend((1..=level).map(|level| ((slot, level), vec![END; m])));
                }
                Op::Remove(slot) => {
                    upper.remove(Slot(slot));
                    model.retain(|key, _| key.0 != slot);
                    prop_assert_eq!(upper.resident_bytes(), held, "nor does removing");
                }
                Op::Reserve(slot, level) => {
                    upper.reserve(Slot(slot), Level(level)).unwrap();
                    prop_assert!(upper.resident_bytes() >= held, "reserving gives nothing back");
                }
                Op::Write(slot, level, word) => {
                    upper.list_mut(Slot(slot), Level(level)).fill(word);
                    if let Some(list) = model.get_mut(&(slot, level)) {
                        list.fill(word);
                    }
                }
                Op::Truncate(len) => {
                    for slot in len as u32..4000 {
                        upper.remove(Slot(slot));
                    }
                    model.retain(|key, _| (key.0 as usize) < len);
                    upper.truncate(len);
                    let needed = compare(&upper, &model, m);
                    let segments = len.div_ceil(1024) * (size_of::<Vec<u16>>() + size_of::<Run<u32>>());
                    prop_assert!(upper.resident_bytes() <= needed + segments, "all other room is given back");
                }
            }
        }
        compare(&upper, &model, m);
    }
}

#[test]
fn a_slot_out_of_range_has_no_lists() {
    let mut upper = Upper::new(4);
    for slot in [Slot(0), Slot::NONE] {
        assert_eq!((upper.top(slot), upper.list(slot, Level(1)).len()), (Level::BASE, 0));
        upper.remove(slot);
        assert!(upper.list_mut(slot, Level(1)).is_empty());
    }
    assert_eq!(upper.resident_bytes(), 0);
}

#[test]
fn an_impossible_size_is_refused() {
    let mut upper = Upper::new(1 << 59);
    assert_eq!(upper.reserve(Slot(0), Level(3)), Err(OutOfMemory));
    assert_eq!((upper.len(), upper.top(Slot(0))), (0, Level::BASE));
}

/// Beside its list on level 0, a slot costs its share of the upper lists, and little more: a bit, a share of a key, and
/// some spare room.
#[test]
fn a_slot_costs_little_beside_its_links() {
    // Whole segments, so that the last one has no room to spare.
    let slots = 100 * 1024;
    for (m, most) in [(4, 1.1), (16, 0.6), (64, 0.8)] {
        let mut graph = Graph::new(m);
        for slot in 0..slots {
            let level = draw_level(0, u64::from(slot), m);
            graph.reserve_node(Slot(slot), level).unwrap();
            graph.add_node(Slot(slot), level);
        }
        let links = slots as usize * graph.row_bytes() + graph.upper_len() * 4 * m;
        let beside = (graph.resident_bytes() - links) as f64 / f64::from(slots);
        assert!(beside < most, "M {m}: {beside} bytes a slot beside its links");
    }
}
