#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::panic)]
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What `IdMap` promises, modelled with standard collections.
#[derive(Default)]
struct Model {
    len: u32,
    free: BTreeSet<u32>,
    ids: BTreeMap<u32, Id>,
    next_number: u64,
}

impl Model {
    fn slot_of(&self, id: &Id) -> Option<u32> {
        self.ids.iter().find(|(_, held)| *held == id).map(|(&slot, _)| slot)
    }

    fn swap(&mut self, a: u32, b: u32) {
        if a >= self.len || b >= self.len || a == b {
            return;
        }
        let (id_of_a, id_of_b) = (self.ids.remove(&a), self.ids.remove(&b));
        self.ids.extend(id_of_a.map(|id| (b, id)));
        self.ids.extend(id_of_b.map(|id| (a, id)));
        let (free_a, free_b) = (self.free.remove(&a), self.free.remove(&b));
        self.free.extend(free_a.then_some(b));
        self.free.extend(free_b.then_some(a));
    }
}

#[derive(Clone, Debug)]
enum Op {
    Allocate(Id),
    AllocateNext,
    Bind(u32, Id),
    Unbind(u32),
    Release(u32),
    Swap(u32, u32),
    Truncate(u32),
    ShrinkParts,
    /// As if the index had been closed and opened again.
    Reread,
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        (0u64..60).prop_map(Id::Number),
        prop_oneof![Just(Id::MAX_NUMBER), Just(Id::MAX_NUMBER - 1), Just(u64::MAX), Just(Id::MAX_NUMBER + 1)]
            .prop_map(Id::Number),
        "[a-c]{0,3}".prop_map(|text| Id::Text(text.into())),
        Just(Id::Text("x".repeat(Id::MAX_TEXT_BYTES).into())),
        Just(Id::Text("x".repeat(Id::MAX_TEXT_BYTES + 1).into())),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let slot = || 0u32..40;
    prop_oneof![
        8 => id().prop_map(Op::Allocate),
        4 => Just(Op::AllocateNext),
        2 => (slot(), id()).prop_map(|(slot, id)| Op::Bind(slot, id)),
        6 => slot().prop_map(Op::Unbind),
        6 => slot().prop_map(Op::Release),
        3 => (slot(), slot()).prop_map(|(a, b)| Op::Swap(a, b)),
        1 => slot().prop_map(Op::Truncate),
        1 => Just(Op::ShrinkParts),
        1 => Just(Op::Reread),
    ]
}

fn bind(map: &mut IdMap, model: &mut Model, slot: u32, id: &Id) -> bool {
    map.reserve(1).unwrap();
    let in_use = slot < model.len && !model.free.contains(&slot) && !model.ids.contains_key(&slot);
    let wanted = in_use && validate(id).is_ok() && model.slot_of(id).is_none();
    assert_eq!(map.bind(Slot(slot), id.clone()), wanted, "bind {id} to {slot}");
    if wanted {
        if let Id::Number(number) = id {
            model.next_number = model.next_number.max(number + 1);
        }
        model.ids.insert(slot, id.clone());
    }
    wanted
}

/// The map as it is read back from what an index stores.
fn reread(map: &IdMap) -> IdMap {
    let mut read = IdMap::new();
    read.extend(map.len()).unwrap();
    for (slot, id) in map.iter() {
        assert!(read.adopt(slot, id.into_owned()).unwrap());
    }
    for slot in (0..map.len() as u32).map(Slot).filter(|&slot| map.is_free(slot)) {
        assert!(read.release(slot));
    }
    read.raise_next_number(map.numbers_used());
    read
}

fn allocate(map: &mut IdMap, model: &mut Model) -> u32 {
    map.reserve(1).unwrap();
    let wanted = model.free.pop_first().unwrap_or_else(|| {
        model.len += 1;
        model.len - 1
    });
    assert_eq!(map.next_slot(), Slot(wanted));
    assert_eq!(map.allocate(), Slot(wanted));
    wanted
}

fn apply(map: &mut IdMap, model: &mut Model, op: &Op) {
    match op {
        Op::Allocate(id) => {
            let slot = allocate(map, model);
            if !bind(map, model, slot, id) {
                assert!(map.release(Slot(slot)));
                model.free.insert(slot);
            }
        }
        Op::AllocateNext => {
            let wanted = (model.next_number <= Id::MAX_NUMBER).then_some(model.next_number);
            assert_eq!(map.next_number(), wanted);
            if let Some(number) = wanted {
                let slot = allocate(map, model);
                assert!(bind(map, model, slot, &Id::Number(number)), "{number} was used before");
            }
        }
        Op::Bind(slot, id) => {
            map.reserve(1).unwrap();
            bind(map, model, *slot, id);
        }
        Op::Unbind(slot) => assert_eq!(map.unbind(Slot(*slot)), model.ids.remove(slot).is_some()),
        Op::Release(slot) => {
            let wanted = *slot < model.len && !model.ids.contains_key(slot) && model.free.insert(*slot);
            assert_eq!(map.release(Slot(*slot)), wanted);
        }
        Op::Swap(a, b) => {
            map.swap(Slot(*a), Slot(*b));
            model.swap(*a, *b);
        }
        Op::Truncate(len) => {
            map.truncate(*len as usize);
            model.len = model.len.min(*len);
            model.free.retain(|slot| slot < len);
            model.ids.retain(|slot, _| slot < len);
        }
        Op::Reread => {
            let read = reread(map);
            *map = read;
        }
        Op::ShrinkParts => (0..IdMap::PARTS + 1).for_each(|part| map.shrink_part(part)),
    }
}

fn compare(map: &IdMap, model: &Model) {
    assert_eq!(map.len(), model.len as usize);
    assert_eq!(map.bound(), model.ids.len());
    assert_eq!(map.free.count(), model.free.len());
    assert_eq!(map.numbers_used(), model.next_number);
    assert!(map.iter().map(|(slot, id)| (slot.0, id.into_owned())).eq(model.ids.clone()));
    for slot in 0..model.len + 2 {
        assert_eq!(map.id_of(Slot(slot)).as_deref(), model.ids.get(&slot));
        assert_eq!(map.is_free(Slot(slot)), model.free.contains(&slot));
    }
    for (&slot, id) in &model.ids {
        assert_eq!(map.slot_of(id), Ok(Some(Slot(slot))));
    }
    for number in 0..60 {
        let id = Id::Number(number);
        assert_eq!(map.slot_of(&id).unwrap().map(|slot| slot.0), model.slot_of(&id));
    }
    assert_eq!(map.slot_of(&Id::Number(u64::MAX)), Ok(None));
    let used = (0..model.len).rev().find(|slot| !model.free.contains(slot)).map_or(0, |slot| slot as usize + 1);
    assert_eq!(map.used_len(0), used);
    let entries = map.tables().unwrap().lens().sum::<usize>();
    assert_eq!(entries, model.ids.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn behaves_like_the_model_after_every_call(ops in prop::collection::vec(op(), 1..120)) {
        let (mut map, mut model) = (IdMap::new(), Model::default());
        for op in &ops {
            apply(&mut map, &mut model, op);
            compare(&map, &model);
        }
    }
}

fn filled(count: u64) -> IdMap {
    let mut map = IdMap::new();
    for number in 0..count {
        map.reserve(1).unwrap();
        let slot = map.allocate();
        assert!(map.bind(slot, Id::Number(number)));
    }
    map
}

#[test]
fn many_ids_are_found_and_cost_little() {
    let count = 200_000;
    let map = filled(count);
    for number in 0..count {
        assert_eq!(map.slot_of(&Id::Number(number)), Ok(Some(Slot(number as u32))));
    }
    assert_eq!(map.slot_of(&Id::Number(count)), Ok(None));
    let each = map.resident_bytes() as f64 / count as f64;
    // Eight for the number, five for the slot in a hash table that is at least 7/16 full, and the free set.
    assert!(each < 8.0 + 5.0 * 16.0 / 7.0 + 0.5, "{each} bytes an id");
}

#[test]
fn ids_spread_evenly_over_the_parts() {
    let numbers = filled(64_000);
    let mut texts = IdMap::new();
    texts.reserve(64_000).unwrap();
    for number in 0..64_000 {
        texts.reserve(1).unwrap();
        let slot = texts.allocate();
        assert!(texts.bind(slot, Id::Text(format!("doc-{number}").into())));
    }
    for len in [&numbers, &texts].into_iter().flat_map(|map| map.tables().unwrap().lens()) {
        assert!((800..1200).contains(&len), "{len} of 64,000 in one of 64 parts");
    }
}

#[test]
fn no_reserve_grows_more_than_its_share() {
    let mut map = IdMap::new();
    let mut last = 0;
    for number in 0..300_000u64 {
        map.reserve(1).unwrap();
        let held = map.resident_bytes();
        // A chunk, a doubled part or two, and the free set's next quarter; never the whole table at once.
        assert!(held - last < 64 * 1024 + held / 16, "{last} -> {held} at {number}");
        last = held;
        let slot = map.allocate();
        assert!(map.bind(slot, Id::Number(number)));
        assert_eq!(map.resident_bytes(), held, "binding allocates nothing after a reserve");
    }
}

#[test]
fn emptying_and_shortening_gives_the_room_back() {
    let mut map = filled(100_000);
    let full = map.resident_bytes();
    for slot in 1000..100_000 {
        assert!(map.unbind(Slot(slot)));
        assert!(map.release(Slot(slot)));
    }
    assert_eq!(map.used_len(0), 1000);
    map.truncate(1000);
    (0..IdMap::PARTS).for_each(|part| map.shrink_part(part));
    assert!(map.resident_bytes() * 50 < full, "{} of {full}", map.resident_bytes());
    assert_eq!(map.slot_of(&Id::Number(999)), Ok(Some(Slot(999))));
    assert_eq!(map.slot_of(&Id::Number(1000)), Ok(None));
    assert_eq!(map.next_number(), Some(100_000), "a number is never used twice");
}

/// Strings are counted to the byte and freed with their ids, however they were moved about; so is their room.
#[test]
fn what_texts_hold_is_given_back_and_counted() {
    let text = |number: u32| Id::Text(format!("document {number:06}").into());
    let mut map = IdMap::new();
    let numbers_only = filled(20_000).resident_bytes();
    for number in 0..20_000 {
        map.reserve(1).unwrap();
        let slot = map.allocate();
        assert!(map.bind(slot, text(number)));
    }
    let full = map.resident_bytes();
    assert!(full - numbers_only < 20_000 * (15 + size_of::<Id>()) + 32 * 1024, "{numbers_only} -> {full}");
    for slot in 0..10_000 {
        map.swap(Slot(slot), Slot(19_999 - slot));
    }
    let kept = |slot: u32| slot.is_multiple_of(10);
    for slot in (0..20_000).filter(|&slot| !kept(slot)) {
        let held = map.resident_bytes();
        assert!(map.unbind(Slot(slot)));
        assert!(map.resident_bytes() + 15 <= held, "the string of {slot} is freed");
    }
    let freed = full - map.resident_bytes();
    assert!(freed > 18_000 * (15 + size_of::<Id>()) - 32 * 1024, "{freed}");
    for slot in 0..20_000 {
        let id = text(19_999 - slot);
        assert_eq!(map.id_of(Slot(slot)).as_deref(), kept(slot).then_some(&id));
        assert_eq!(map.slot_of(&id), Ok(kept(slot).then_some(Slot(slot))));
    }
    map.truncate(1000);
    (0..IdMap::PARTS).for_each(|part| map.shrink_part(part));
    assert!(map.resident_bytes() < 1000 * 8 + 100 * (15 + size_of::<Id>()) + 8192, "{}", map.resident_bytes());
    assert!((0..1000).all(|slot| map.id_of(Slot(slot)).is_some() == kept(slot)));
}

#[test]
fn a_small_map_is_small() {
    let map = filled(3);
    assert!(map.resident_bytes() < 3000, "{}", map.resident_bytes());
}

#[test]
fn a_deleted_id_can_be_bound_again_before_its_slot_is_free() {
    let mut map = IdMap::new();
    map.reserve(2).unwrap();
    let first = map.allocate();
    assert!(map.bind(first, "a".into()));
    assert!(map.unbind(first));
    map.reserve(1).unwrap();
    let second = map.allocate();
    assert_eq!(second, Slot(1), "the first slot is still walked through");
    assert!(map.bind(second, "a".into()));
    assert_eq!(map.slot_of(&"a".into()), Ok(Some(second)));
    assert!(map.release(first));
    assert!(!map.release(first), "free already");
    assert!(!map.release(second), "still has an id");
    assert!(!map.release(Slot(2)), "out of range");
    assert_eq!(map.next_slot(), first);
}

#[test]
fn the_last_number_ends_the_numbers() {
    let mut map = IdMap::new();
    map.reserve(2).unwrap();
    let slot = map.allocate();
    assert!(map.bind(slot, Id::Number(Id::MAX_NUMBER)));
    assert_eq!(map.next_number(), None);
    assert_eq!(map.numbers_used(), Id::MAX_NUMBER + 1);
    map.unbind(slot);
    assert_eq!(map.next_number(), None, "used once is used");
    let mut again = IdMap::new();
    again.raise_next_number(7);
    again.raise_next_number(3);
    assert_eq!(again.next_number(), Some(7));
    again.raise_next_number(u64::MAX);
    assert_eq!((again.next_number(), again.numbers_used()), (None, Id::MAX_NUMBER + 1));
}

#[test]
fn a_number_and_its_digits_are_two_ids() {
    let mut map = IdMap::new();
    map.reserve(2).unwrap();
    let (number, text) = (map.allocate(), map.allocate());
    assert!(map.bind(number, Id::Number(7)));
    map.reserve(1).unwrap();
    assert!(map.bind(text, "7".into()));
    assert_eq!((map.slot_of(&Id::Number(7)), map.slot_of(&"7".into())), (Ok(Some(number)), Ok(Some(text))));
}

#[test]
fn impossible_room_is_refused_and_changes_nothing() {
    let mut map = filled(10);
    let held = map.resident_bytes();
    assert_eq!(map.reserve(usize::MAX), Err(LookupError::OutOfMemory));
    assert_eq!(map.reserve(u32::MAX as usize), Err(LookupError::OutOfMemory));
    assert_eq!((map.len(), map.resident_bytes()), (10, held));
}

#[test]
fn every_invalid_id_says_why() {
    let long = "é".repeat(Id::MAX_TEXT_BYTES / 2 + 1);
    assert_eq!(validate(&Id::Number(Id::MAX_NUMBER)), Ok(()));
    assert_eq!(validate(&Id::Text("é".repeat(Id::MAX_TEXT_BYTES / 2).into())), Ok(()));
    for (id, why, says) in [
        (Id::Number(u64::MAX), InvalidId::NumberTooLarge(u64::MAX), "18446744073709551615"),
        (Id::Text("".into()), InvalidId::EmptyText, "an empty string"),
        (Id::Text(long.into()), InvalidId::TextTooLong(4098), "a string of 4098 bytes"),
    ] {
        assert_eq!(validate(&id), Err(why));
        assert_eq!(why.to_string(), says);
    }
}

#[test]
fn an_id_that_was_stored_twice_is_found_out_by_whoever_asks_for_a_slot() {
    let mut map = IdMap::new();
    map.extend(3).unwrap();
    for (slot, text) in ["a", "b", "a"].into_iter().enumerate() {
        assert!(map.adopt(Slot(slot as u32), Id::Text(text.into())).unwrap());
    }
    assert_eq!(map.id_of(Slot(1)).as_deref(), Some(&Id::Text("b".into())));
    assert_eq!(map.slot_of(&Id::Text("b".into())), Err(LookupError::Twice(Slot(2))));
    assert_eq!(map.prepare_lookups(), Err(LookupError::Twice(Slot(2))));
    assert_eq!(map.reserve(1), Err(LookupError::Twice(Slot(2))));
}

#[test]
fn an_invalid_id_is_not_adopted() {
    let mut map = IdMap::new();
    map.extend(1).unwrap();
    assert_eq!(map.adopt(Slot(0), Id::Number(Id::MAX_NUMBER + 1)), Ok(false));
    assert_eq!((map.bound(), map.slot_of(&Id::Number(0))), (0, Ok(None)));
}
