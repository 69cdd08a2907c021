use super::*;
use crate::arena::record::MAX_PAYLOAD_BYTES;
use crate::arena::{AppendError, Evacuation};
use crate::types::OutOfMemory;
use proptest::prelude::*;

const SLOTS: u32 = 24;

#[derive(Clone, Debug)]
enum Op {
    Append(u32, usize),
    Reserve(u32, usize),
    ReserveAhead(usize),
    Remove(u32),
    Swap(u32, u32),
    Truncate(u32),
    Plan(usize),
    Step(usize),
    Abandon,
}

fn op() -> impl Strategy<Value = Op> {
    let slot = || 0..SLOTS;
    // Up to 44 bytes share a slab of 64 words; more have a slab of their own, and 300 do not fit into one of 256 bytes.
    let length = || prop_oneof![4 => 0usize..10, 3 => 0usize..46, 1 => 44usize..300];
    prop_oneof![
        12 => (slot(), length()).prop_map(|(slot, length)| Op::Append(slot, length)),
        2 => (slot(), length()).prop_map(|(slot, length)| Op::Reserve(slot, length)),
        1 => (0usize..40).prop_map(Op::ReserveAhead),
        8 => slot().prop_map(Op::Remove),
        3 => (slot(), slot()).prop_map(|(a, b)| Op::Swap(a, b)),
        1 => slot().prop_map(Op::Truncate),
        1 => Just(Op::Abandon),
        3 => prop_oneof![Just(0usize), 0usize..200].prop_map(Op::Plan),
        12 => prop_oneof![Just(0usize), 0usize..400].prop_map(Op::Step),
    ]
}

#[derive(Default)]
struct Run {
    model: Model,
    evacuation: Option<Evacuation>,
    /// Known exactly until an evacuation moves something.
    stale_bytes: Option<usize>,
}

impl Run {
    fn retire(&mut self, given: Option<Given>) {
        if let Some(stale) = &mut self.stale_bytes {
            *stale += given.map_or(0, |given| given.bytes());
        }
    }

    fn apply(&mut self, arena: &mut Arena, number: u32, op: &Op) {
        match *op {
            Op::Append(slot, length) => {
                let before = self.model.remove(&slot);
                append(arena, &mut self.model, slot, Given::new(number, length));
                self.retire(before);
            }
            Op::Reserve(slot, length) => {
                arena.reserve(Slot(slot), length).unwrap();
                let held = arena.resident_bytes();
                let before = self.model.remove(&slot);
                append(arena, &mut self.model, slot, Given::new(number, length));
                self.retire(before);
                assert_eq!(arena.resident_bytes(), held, "an append allocates nothing after its reserve");
            }
            Op::ReserveAhead(records) => arena.reserve_ahead(SLOTS as usize, records).unwrap(),
            Op::Remove(slot) => {
                let before = self.model.remove(&slot);
                assert_eq!(arena.remove(Slot(slot)), before.is_some());
                self.retire(before);
            }
            Op::Swap(a, b) => {
                arena.reserve_ahead(SLOTS as usize, 0).unwrap();
                arena.swap(Slot(a), Slot(b));
                let (at_a, at_b) = (self.model.remove(&a), self.model.remove(&b));
                self.model.extend(at_a.map(|given| (b, given)));
                self.model.extend(at_b.filter(|_| a != b).map(|given| (a, given)));
            }
            Op::Truncate(len) => {
                arena.truncate(len as usize);
                for gone in self.model.split_off(&len).into_values() {
                    self.retire(Some(gone));
                }
            }
            Op::Plan(min_stale) => self.evacuation = Some(Evacuation::plan(arena, min_stale).unwrap()),
            Op::Abandon => self.evacuation = None,
            Op::Step(budget) => self.step(arena, budget),
        }
        if let Some(stale) = self.stale_bytes {
            assert_eq!(arena.stale_bytes(), stale);
        }
    }

    fn step(&mut self, arena: &mut Arena, budget: usize) {
        let Some(evacuation) = &mut self.evacuation else { return };
        let (held, reclaimed, done) = (arena.resident_bytes(), evacuation.signed(), evacuation.done_bytes());
        let more = evacuation.step(arena, budget).unwrap();
        self.stale_bytes = None;
        assert_eq!(evacuation.signed() - reclaimed, held as i64 - arena.resident_bytes() as i64);
        assert!(evacuation.done_bytes() >= done && evacuation.done_bytes() <= evacuation.total_bytes());
        if !more {
            self.evacuation = None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn holds_what_was_given_and_counts_the_truth(ops in prop::collection::vec(op(), 1..150)) {
        let mut arena = Arena::new(DIMENSIONS);
        let mut run = Run { stale_bytes: Some(0), ..Run::default() };
        for (number, op) in ops.iter().enumerate() {
            run.apply(&mut arena, number as u32, op);
            compare(&arena, &run.model, SLOTS + 1);
        }
        // Whatever was going on, a whole evacuation leaves nothing stale.
        let mut evacuation = Evacuation::plan(&arena, 0).unwrap();
        while evacuation.step(&mut arena, 100).unwrap() {}
        compare(&arena, &run.model, SLOTS + 1);
        prop_assert_eq!(arena.stale_bytes(), 0);
    }
}

#[test]
fn every_payload_length_comes_back_as_it_was() {
    let (mut arena, mut model) = (Arena::new(DIMENSIONS), Model::new());
    for length in 0..700 {
        append(&mut arena, &mut model, length, Given::new(length, length as usize));
    }
    compare(&arena, &model, 701);
}

#[test]
fn an_empty_payload_keeps_its_kind() {
    let mut arena = Arena::new(DIMENSIONS);
    for (slot, kind) in [PayloadKind::None, PayloadKind::Json, PayloadKind::Bytes].into_iter().enumerate() {
        let slot = Slot(slot as u32);
        arena.append(slot, 1.0, &[0.0, 1.0], kind, &[]).unwrap();
        assert_eq!(arena.payload(slot), Some((kind, [].as_slice())));
        assert_eq!(PayloadKind::from_number(kind.number()), Some(kind));
    }
    assert_eq!(PayloadKind::from_number(3), None);
}

#[test]
fn an_arena_of_no_dimensions_keeps_payloads() {
    let mut arena = WarmArena::<6>::new(0);
    arena.append(Slot(2), 0.5, &[], PayloadKind::Bytes, b"xyz").unwrap();
    assert_eq!(arena.vector(Slot(2)), Some([].as_slice()));
    assert_eq!(arena.record(Slot(2)).unwrap().inverse_norm, 0.5);
    assert_eq!(arena.payload(Slot(2)), Some((PayloadKind::Bytes, b"xyz".as_slice())));
    assert_eq!(arena.slabs.live_bytes(), 16);
}

#[test]
fn vectors_keep_every_bit() {
    let mut arena = Arena::new(DIMENSIONS);
    let odd = [f32::from_bits(0x7fc1_2345), -0.0];
    arena.append(Slot(0), f32::INFINITY, &odd, PayloadKind::None, &[]).unwrap();
    let back: Vec<u32> = arena.vector(Slot(0)).unwrap().iter().map(|value| value.to_bits()).collect();
    assert_eq!(back, odd.map(f32::to_bits));
    assert_eq!(arena.record(Slot(0)).unwrap().inverse_norm, f32::INFINITY);
}

#[test]
fn what_is_refused_changes_nothing() {
    let (mut arena, mut model) = (Arena::new(DIMENSIONS), Model::new());
    append(&mut arena, &mut model, 0, Given::new(1, 9));
    let held = arena.resident_bytes();
    let wrong = arena.append(Slot(0), 1.0, &[1.0], PayloadKind::None, &[]);
    assert_eq!(wrong, Err(AppendError::DimensionMismatch { expected: 2, received: 1 }));
    let long = arena.reserve(Slot(1), MAX_PAYLOAD_BYTES + 1);
    assert_eq!(long, Err(AppendError::PayloadTooLong(MAX_PAYLOAD_BYTES + 1)));
    assert_eq!(arena.reserve(Slot(1), usize::MAX), Err(AppendError::PayloadTooLong(usize::MAX)));
    assert_eq!(arena.reserve_ahead(1, usize::MAX), Err(OutOfMemory));
    assert_eq!(arena.reserve_ahead(1, usize::MAX / 64), Err(OutOfMemory));
    assert_eq!(arena.resident_bytes(), held);
    compare(&arena, &model, 3);
    assert!(wrong.unwrap_err().to_string().contains("2 dimensions, not 1"));
    assert!(long.unwrap_err().to_string().contains("1073741823 bytes, not 1073741824"));
}

#[test]
fn a_tiny_arena_is_tiny_and_a_large_one_holds_little_spare() {
    let mut arena: WarmArena = WarmArena::new(384);
    let vector = vec![0.5; 384];
    arena.append(Slot(0), 1.0, &vector, PayloadKind::None, &[]).unwrap();
    assert!(arena.resident_bytes() < 2000, "{}", arena.resident_bytes());
    let mut before = arena.resident_bytes();
    for slot in 1..4000 {
        arena.append(Slot(slot), 1.0, &vector, PayloadKind::Json, b"{\"a\":1}").unwrap();
        let (held, live) = (arena.resident_bytes(), arena.slabs.live_bytes());
        assert!(held < live * 21 / 10 && held < live + (1 << 20) + live / 100, "{held} for {live}");
        assert!(held - before <= (1 << 20) + 8192, "one slab at a time");
        before = held;
    }
    assert_eq!(arena.stale_bytes(), 0);
}

#[test]
fn rooms_of_long_records_that_never_came_are_given_back() {
    let mut arena = Arena::new(DIMENSIONS);
    arena.reserve(Slot(0), 100_000).unwrap();
    assert!(arena.resident_bytes() > 100_000);
    arena.append(Slot(0), 1.0, &[1.0, 2.0], PayloadKind::Bytes, &[7; 100]).unwrap();
    assert!(arena.resident_bytes() < 1000, "{}", arena.resident_bytes());
}

#[test]
fn a_sealed_slab_keeps_no_long_tail() {
    let (mut arena, mut model) = (Arena::new(DIMENSIONS), Model::new());
    for slot in 0..400 {
        // 13 words: four to a slab of 64, and 12 words left, more than a sixteenth.
        append(&mut arena, &mut model, slot, Given::new(slot, 32));
        assert!(arena.slabs.slab_bytes() <= arena.slabs.live_bytes() + SLAB_BYTES);
    }
    compare(&arena, &model, 400);
}

/// The overhead is the tails of slabs, the room in the open one, and their table.
#[test]
fn slabs_take_less_than_a_hundredth_beyond_their_records() {
    let mut arena = WarmArena::<18>::new(0);
    let payload = [7; 2000];
    let (mut slot, mut most) = (0, 0.0f64);
    while arena.live_bytes() < 136 << 20 {
        let len = 200 + slot as usize * 7919 % 1800;
        arena.append(Slot(slot), 1.0, &[], PayloadKind::Bytes, &payload[..len]).unwrap();
        slot += 1;
        if arena.live_bytes() > 128 << 20 {
            most = most.max((arena.slab_bytes() - arena.live_bytes()) as f64 / arena.live_bytes() as f64);
        }
    }
    assert!(most > 0.0 && most < 0.01, "{most}");
}
