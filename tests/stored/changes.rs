//! Random changes of an index and of its model, which a budget may leave no room for.

use std::cell::Cell;

use thermocline::{Error, Id, NewRecord, Payload, StoredIndex};

use crate::model::{Model, fingerprint};
use crate::support::{Rng, Shared, now_ms};

const TEXTS: usize = 25;

fn any_id(rng: &mut Rng) -> Id {
    if rng.one_in(2) {
        Id::Number(rng.below(40) as u64)
    } else {
        Id::from(format!("text {}", "x".repeat(rng.below(TEXTS))).as_str())
    }
}

/// The id of a record, or one that may be.
pub(crate) fn some_id(model: &Model, rng: &mut Rng) -> Id {
    let near = any_id(rng);
    let found = model.records.range(&near..).next().or_else(|| model.records.iter().next());
    found.map_or(near, |(id, _)| id.clone())
}

thread_local! {
    static SEEN: Seen = Seen::default();
}

/// How often what happened in this thread.
#[derive(Debug, Default)]
struct Seen {
    /// A budget left no room.
    refused: Cell<usize>,
    /// A call read records that were only in the store.
    cold: Cell<usize>,
    /// The store failed at that, and the call was repeated.
    retried: Cell<usize>,
}

pub(crate) fn note_cold() {
    SEEN.with(|seen| seen.cold.update(|count| count + 1));
}

pub(crate) fn note_retried() {
    SEEN.with(|seen| seen.retried.update(|count| count + 1));
}

/// Returns how often there was no room, were records cold, and was a failed call repeated.
pub(crate) fn seen() -> [usize; 3] {
    SEEN.with(|Seen { refused, cold, retried }| [refused.get(), cold.get(), retried.get()])
}

/// Returns the outcome of a change, or `None` if a budget has left no room for it: then nothing has changed.
#[track_caller]
pub(crate) fn fits<T>(stored: &StoredIndex<Shared>, model: &Model, changed: Result<T, Error>) -> Option<T> {
    match changed {
        Err(Error::OverBudget) => {
            let index = stored.index().unwrap();
            assert!(index.config().max_bytes.is_some());
            model.verify(&index);
            SEEN.with(|seen| seen.refused.update(|count| count + 1));
            None
        }
        changed => Some(changed.unwrap()),
    }
}

pub(crate) fn insert(stored: &StoredIndex<Shared>, model: &mut Model, rng: &mut Rng) {
    let vector = rng.vector(stored.index().unwrap().config().dimensions);
    let inserted = stored.change(|index| index.insert(&vector, None));
    let Some(id) = fits(stored, model, inserted) else { return };
    let print = fingerprint(&id, &vector, None);
    model.put(id, print);
}

/// All of these are inserted, or none.
pub(crate) fn insert_many(stored: &StoredIndex<Shared>, model: &mut Model, rng: &mut Rng, count: usize) {
    let dimensions = stored.index().unwrap().config().dimensions;
    let vectors: Vec<Vec<f32>> = (0..count).map(|_| rng.vector(dimensions)).collect();
    let bytes = vec![rng.next() as u8; rng.below(40)];
    let mut record = |vector| NewRecord {
        id: rng.one_in(3).then(|| Id::from(format!("text {}", "x".repeat(rng.below(8 * TEXTS))).as_str())),
        payload: rng.pick(&[None, Some(Payload::Bytes(&bytes))]),
        ..NewRecord::new(vector)
    };
    let records: Vec<NewRecord<'_>> = vectors.iter().map(|vector| record(vector)).collect();
    let inserted = stored.change(|index| index.insert_many(&records));
    if let Err(Error::InRecord { at, error }) = &inserted {
        let id = records[*at].id.clone().unwrap();
        assert!(model.records.contains_key(&id) || records[..*at].iter().any(|record| record.id.as_ref() == Some(&id)));
        assert_eq!(**error, Error::DuplicateId { id });
        return model.verify(&stored.index().unwrap());
    }
    let Some(ids) = fits(stored, model, inserted) else { return };
    assert_eq!(ids.len(), count);
    let print = |(id, record): (Id, &NewRecord<'_>)| {
        let print = fingerprint(&id, record.vector, record.payload);
        (id, print)
    };
    model.put_together(ids.into_iter().zip(&records).map(print));
}

/// One change of any kind.
pub(crate) fn change(stored: &StoredIndex<Shared>, model: &mut Model, rng: &mut Rng) {
    let vector = rng.vector(stored.index().unwrap().config().dimensions);
    let bytes = vec![rng.next() as u8; rng.below(40)];
    let text = format!("{{\"n\":{}}}", rng.next());
    let payload = rng.pick(&[None, Some(Payload::Json(&text)), Some(Payload::Bytes(&bytes))]);
    let note = |model: &mut Model, id: Id| {
        let print = fingerprint(&id, &vector, payload);
        model.put(id, print);
    };
    match rng.below(11) {
        8 | 9 => {
            let (id, expires_ms) = (any_id(rng), now_ms() + rng.below(30) as f64 + 0.5);
            let put = stored.change(|index| index.upsert_expiring(id.clone(), &vector, payload, Some(expires_ms)));
            if fits(stored, model, put).is_some() {
                let print = fingerprint(&id, &vector, payload);
                model.put_expiring(id, print, expires_ms);
            }
        }
        0..=2 => {
            let inserted = stored.change(|index| index.insert(&vector, payload));
            if let Some(id) = fits(stored, model, inserted) {
                note(model, id);
            }
        }
        3 => {
            let id = any_id(rng);
            match stored.change(|index| index.insert_with_id(id.clone(), &vector, payload)) {
                Err(Error::DuplicateId { id: found }) => assert!(found == id && model.records.contains_key(&id)),
                inserted => {
                    if fits(stored, model, inserted).is_some() {
                        note(model, id);
                    }
                }
            }
        }
        4 => {
            let id = any_id(rng);
            let put = stored.change(|index| index.upsert(id.clone(), &vector, payload));
            if fits(stored, model, put).is_some() {
                note(model, id);
            }
        }
        10 => {
            let count = 1 + rng.below(4);
            insert_many(stored, model, rng, count);
        }
        _ => {
            let id = some_id(model, rng);
            let was_there = stored.change(|index| index.delete(&id)).unwrap();
            assert_eq!(was_there, model.records.contains_key(&id));
            if was_there {
                model.delete(&id);
            }
        }
    }
}
