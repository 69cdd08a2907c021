//! What a stored index must hold: one of the states since the last one that was acknowledged.

use std::collections::BTreeMap;

use thermocline::{Id, Index, Payload};

/// The records by their fingerprints, and the fingerprint of every state since one that is certain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) records: BTreeMap<Id, u64>,
    whole: u64,
    /// After how many changes each state was: the first is after none.
    states: Vec<u64>,
    /// So many of the changes are acknowledged.
    acknowledged: usize,
    /// Records that expire, each in which of the states.
    expiring: Vec<Life>,
    /// Up to here they have.
    pub(crate) now_ms: f64,
}

/// A record that expires, in the states from `born` on to before `died`.
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

/// The fingerprint of a record, to the last bit of it.
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

    /// So late it is now. What has expired is in none of the states any more: nobody is told when it goes, and whoever opens
    /// the index finds out for himself.
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

    /// The next state is without this record.
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

    /// How many changes there have been.
    pub(crate) fn changes(&self) -> usize {
        self.states.len() - 1
    }

    /// So many changes are kept, whatever happens.
    pub(crate) fn acknowledge(&mut self, changes: usize) {
        self.acknowledged = self.acknowledged.max(changes);
    }

    /// Asserts that an index holds what it must after all changes.
    #[track_caller]
    pub(crate) fn verify(&self, index: &Index) {
        let (records, whole) = held(index);
        assert_eq!(whole, self.whole, "{} records for {}", records.len(), self.records.len());
        assert_eq!(index.len(), self.records.len());
    }

    /// Asserts that an index that was opened holds every acknowledged change, and of the others the first so many, in
    /// order. What it holds is what it must hold from now on.
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

/// The records of an index that proves itself, by their fingerprints.
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
