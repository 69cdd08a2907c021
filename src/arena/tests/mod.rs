//! The arena against a plain map. Slabs of 64 words, so that a few records fill several.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod demotion;
mod evacuation;
mod warm;

use std::collections::BTreeMap;

use super::{PayloadKind, WarmArena};
use crate::types::Slot;

pub(super) const DIMENSIONS: usize = 2;
pub(super) const SLAB_BYTES: usize = 64 * 4;
pub(super) type Arena = WarmArena<6>;

/// One record as given by the caller.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) inverse_norm: f32,
    pub(super) vector: [f32; DIMENSIONS],
    pub(super) kind: PayloadKind,
    pub(super) payload: Vec<u8>,
}

impl Given {
    /// A record whose every byte depends on its number.
    pub(super) fn new(number: u32, payload_bytes: usize) -> Self {
        let kinds = [PayloadKind::Json, PayloadKind::Bytes];
        Self {
            inverse_norm: 1.0 / (number as f32 + 1.0),
            vector: [number as f32, -(number as f32)],
            kind: if payload_bytes == 0 { PayloadKind::None } else { kinds[number as usize % 2] },
            payload: (0..payload_bytes).map(|at| (number as usize * 7 + at) as u8).collect(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        (3 + DIMENSIONS) * 4 + self.payload.len().next_multiple_of(4)
    }
}

pub(super) type Model = BTreeMap<u32, Given>;

pub(super) fn append(arena: &mut Arena, model: &mut Model, slot: u32, given: Given) {
    arena.append(Slot(slot), given.inverse_norm, &given.vector, given.kind, &given.payload).unwrap();
    model.insert(slot, given);
}

/// Asserts that the arena holds exactly the model's records, and that all its counts are right.
pub(super) fn compare(arena: &Arena, model: &Model, slots: u32) {
    for slot in 0..slots {
        let given = model.get(&slot);
        let slot = Slot(slot);
        assert_eq!(arena.contains(slot), given.is_some());
        assert_eq!(arena.vector(slot), given.map(|given| given.vector.as_slice()));
        assert_eq!(arena.payload(slot), given.map(|given| (given.kind, given.payload.as_slice())));
        assert_eq!(arena.bytes(slot).map(<[u8]>::len), given.map(|_| (3 + DIMENSIONS) * 4));
    }
    assert!(arena.iter().map(|(slot, _)| slot.0).eq(model.keys().copied()));
    for (slot, record) in arena.iter() {
        let given = &model[&slot.0];
        assert_eq!((record.inverse_norm, record.vector), (given.inverse_norm, given.vector.as_slice()));
        assert_eq!((record.kind, record.payload), (given.kind, given.payload.as_slice()));
    }
    assert_eq!(arena.slabs.live_bytes(), model.values().map(Given::bytes).sum::<usize>());
    arena.slabs.audit(|slab, offset| {
        let (words, _, live) = arena.walk(slab, offset).unwrap();
        (words, live.is_some())
    });
    assert!(arena.resident_bytes() >= arena.slabs.live_bytes() + arena.stale_bytes());
}
