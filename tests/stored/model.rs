//! What a stored index must hold: one of the states since the last acknowledged one.

use std::collections::{BTreeMap, BTreeSet};

use thermocline::{Id, Index, Payload};

/// The records by their fingerprints, and the fingerprint of every state since the last one known for certain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) records: BTreeMap<Id, u64>,
    whole: u64,
    /// The fingerprint after each number of changes: the first is after none.
    states: Vec<u64>,
    /// How many of the changes are acknowledged.
    acknowledged: usize,
    /// Records that expire, each with the states it is in.
    expiring: Vec<Life>,
    /// The current time, up to which records have expired.
    pub(crate) now_ms: f64,
}

/// A record that expires, in the states from `born` up to but not including `died`.
#[derive(Clone, Debug)]
struct Life {
    id: Id,
    record: u64,
    expires_ms: f64,
    born: usize,
    died: Option<usize>,
}

fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(mix(hash, bytes.len() as u64), |hash, byte| mix(hash, u64::from(*byte)))
}

/// Returns the fingerprint of a record, which covers every bit.
pub(crate) fn fingerprint(id: &Id, vector: &[f32], payload: Option<Payload<'_>>) -> u64 {
    let hash = match id {
        Id::Number(number) => mix(1, *number),
        Id::Text(text) => mix_bytes(2, text.as_bytes()),
    };
    let hash = vector.iter().fold(hash, |hash, x| mix(hash, u64::from(x.to_bits())));
    match payload {
        None => mix(hash, 0),
        Some(Payload::Json(text)) => mix_bytes(mix(hash, 1), text.as_bytes()),
        Some(Payload::Bytes(bytes)) => mix_bytes(mix(hash, 2), bytes),
    }
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { states: vec![0], ..Self::default() }
    }

    pub(crate) fn put_expiring(&mut self, id: Id, record: u64, expires_ms: f64) {
        self.put(id.clone(), record);
        self.expiring.push(Life { id, record, expires_ms, born: self.states.len() - 1, died: None });
    }

    /// Sets the current time. Removes expired records from every candidate state: expiry is not logged, so each opening
    /// finds out by itself what has expired.
    pub(crate) fn pass(&mut self, now_ms: f64) {
        self.now_ms = now_ms;
        let Self { records, whole, states, expiring, .. } = self;
        expiring.retain(|life| {
            let is_over = life.expires_ms <= now_ms;
            if is_over {
                let end = life.died.unwrap_or(states.len());
                for state in &mut states[life.born..end] {
                    *state = state.wrapping_sub(life.record);
                }
                if life.died.is_none() {
                    records.remove(&life.id);
                    *whole = whole.wrapping_sub(life.record);
                }
            }
            !is_over
        });
    }

    /// Ends the record's life: the next state is without it.
    fn end(&mut self, is_it: impl Fn(&Id) -> bool) {
        let next = self.states.len();
        for life in self.expiring.iter_mut().filter(|life| life.died.is_none() && is_it(&life.id)) {
            life.died = Some(next);
        }
    }

    pub(crate) fn put(&mut self, id: Id, record: u64) {
        self.end(|other| *other == id);
        let before = self.records.insert(id, record).unwrap_or(0);
        self.changed(self.whole.wrapping_sub(before).wrapping_add(record));
    }

    /// Adds records whose ids are new, in one change.
    pub(crate) fn put_together(&mut self, records: impl Iterator<Item = (Id, u64)>) {
        let mut whole = self.whole;
        for (id, record) in records {
            assert!(self.records.insert(id, record).is_none(), "not a new id");
            whole = whole.wrapping_add(record);
        }
        self.changed(whole);
    }

    pub(crate) fn delete(&mut self, id: &Id) {
        self.end(|other| other == id);
        let before = self.records.remove(id).unwrap();
        self.changed(self.whole.wrapping_sub(before));
    }

    pub(crate) fn clear(&mut self) {
        self.end(|_| true);
        self.records.clear();
        self.changed(0);
    }

    fn changed(&mut self, whole: u64) {
        self.whole = whole;
        self.states.push(whole);
    }

    /// Returns how many changes there have been.
    pub(crate) fn changes(&self) -> usize {
        self.states.len() - 1
    }

    /// This many changes must be kept, whatever happens.
    pub(crate) fn acknowledge(&mut self, changes: usize) {
        self.acknowledged = self.acknowledged.max(changes);
    }

    /// Asserts that an index holds what it must after all changes. Of an index with a budget some records may be only
    /// in the store; their ids are not.
    #[track_caller]
    pub(crate) fn verify(&self, index: &Index) {
        let (records, whole) = held(index);
        if index.config().max_bytes.is_none() {
            assert_eq!(whole, self.whole, "{} records for {}", records.len(), self.records.len());
        } else {
            let ids: BTreeSet<Id> = index.ids().collect();
            assert!(ids.iter().eq(self.records.keys()), "{} ids for {}", ids.len(), self.records.len());
            let other = records.iter().find(|(id, record)| self.records.get(id) != Some(record));
            assert_eq!(other, None, "another record");
        }
        assert_eq!(index.len(), self.records.len());
    }

    /// Asserts that an opened index holds every acknowledged change, and of the others some number of the first ones.
    /// What it holds is from now on what it must hold.
    #[track_caller]
    pub(crate) fn settle(&mut self, index: &Index) {
        let (records, whole) = held(index);
        let possible = &self.states[self.acknowledged..];
        assert!(
            possible.contains(&whole),
            "{} records are none of the {} states since change {}, of which the first has {} or so",
            records.len(),
            possible.len(),
            self.acknowledged,
            self.records.len()
        );
        let mut expiring = core::mem::take(&mut self.expiring);
        expiring.retain(|life| records.get(&life.id) == Some(&life.record));
        expiring.iter_mut().for_each(|life| (life.born, life.died) = (0, None));
        let next = expiring.iter().map(|life| life.expires_ms).reduce(f64::min);
        assert_eq!(index.next_expiry_ms(), next, "each record has kept its moment");
        *self = Self { records, whole, states: vec![whole], acknowledged: 0, expiring, now_ms: self.now_ms };
    }
}

/// Returns the records of an index by their fingerprints, after the index has passed its own check.
#[track_caller]
fn held(index: &Index) -> (BTreeMap<Id, u64>, u64) {
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let record = |record: thermocline::Record<'_>| {
        let print = fingerprint(&record.id, record.vector, record.payload);
        (record.id, print)
    };
    let records: BTreeMap<Id, u64> = index.iter().map(record).collect();
    let whole = records.values().fold(0, |whole: u64, record| whole.wrapping_add(*record));
    (records, whole)
}
