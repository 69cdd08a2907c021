//! Compaction completed in the store: how much it frees there, and that erasing leaves nothing of deleted records.

use std::collections::BTreeMap;
use std::fs;

use thermocline::bench_support::{Fault, FaultPlan};
use thermocline::{
    Config, DirectoryStore, Error, Id, Index, MemoryStore, Metric, OpenOptions, Payload, Quantization, Store,
    StoreError, StoreOptions, StoredIndex, SystemClock,
};

use crate::layout::{manifests, orphans};
use crate::support::{Rng, Shared, content, drive, now, put};

const DIMENSIONS: usize = 24;

fn config(quantization: Quantization) -> Config {
    Config { m: 6, ef_construction: 24, metric: Metric::L2, quantization, ..Config::new(DIMENSIONS) }
}

fn lazily(config: Config) -> OpenOptions {
    OpenOptions { config: Some(config), lazy: true, ..Default::default() }
}

/// The parts of a record that must not be found.
struct Secret {
    id: Id,
    vector: Vec<f32>,
    payload: String,
}

impl Secret {
    fn new(rng: &mut Rng) -> Self {
        let mut word = || (0..20).map(|_| char::from(b'a' + rng.below(26) as u8)).collect::<String>();
        let (id, payload) = (Id::from(word().as_str()), word());
        Self { id, vector: rng.vector(DIMENSIONS), payload }
    }

    /// The id and the payload as text, the vector as it is, and the first words of its code, taken from the second
    /// section of an export of an index that holds only this record.
    fn traces(&self, config: Config) -> Vec<Vec<u8>> {
        let mut alone = Index::new(config).unwrap();
        alone.insert(&self.vector, None).unwrap();
        let code = alone.export().unwrap()[576..576 + 24].to_vec();
        let vector = self.vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        let Id::Text(id) = &self.id else { unreachable!() };
        vec![id.as_bytes().to_vec(), self.payload.as_bytes().to_vec(), vector, code]
    }
}

fn count(values: &BTreeMap<String, Vec<u8>>, traces: &[Vec<u8>]) -> usize {
    let is_in = |trace: &&Vec<u8>| {
        values.values().any(|value| value.windows(trace.len()).any(|window| window == trace.as_slice()))
    };
    traces.iter().filter(is_in).count()
}

/// Secrets in a checkpoint and in a log, in blocks among others; deleted, replaced, expired; then erased.
fn erased<S: Store>(store: S, config: Config, values: impl Fn() -> BTreeMap<String, Vec<u8>>) -> StoredIndex<S> {
    let mut rng = Rng(7);
    let secrets: Vec<Secret> = (0..10).map(|_| Secret::new(&mut rng)).collect();
    let traces: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| secret.traces(config)).collect();
    let stored = now(StoredIndex::open(store, lazily(config))).unwrap();
    let insert = |secret: &Secret| {
        let (id, payload) = (secret.id.clone(), Some(Payload::Json(&secret.payload)));
        stored.change(|index| index.insert_with_id(id, &secret.vector, payload)).unwrap();
    };
    let mut others = |count: usize| {
        for _ in 0..count {
            let vector = rng.vector(DIMENSIONS);
            stored.change(|index| index.insert(&vector, Some(Payload::Bytes(&[9; 50])))).unwrap();
        }
    };
    others(300);
    secrets[..5].iter().for_each(insert);
    others(300);
    now(stored.checkpoint()).unwrap();
    secrets[5..].iter().for_each(insert);
    others(20);
    now(stored.commit()).unwrap();
    assert!(count(&values(), &traces) > 30, "before, they are there");
    for secret in &secrets[1..9] {
        assert_eq!(stored.change(|index| index.delete(&secret.id)), Ok(true));
    }
    // One of the remaining records is replaced and one expires.
    let other = vec![0.25; DIMENSIONS];
    stored.change(|index| index.upsert(secrets[0].id.clone(), &other, None)).unwrap();
    stored.change(|index| index.upsert_expiring(secrets[9].id.clone(), &secrets[9].vector, None, Some(1.0))).unwrap();
    let report = now(stored.erase(&SystemClock::default())).unwrap();
    assert_eq!((report.tombstones_removed, report.new_size), (11, 621));
    let left = values();
    assert_eq!(count(&left, &traces[1..]), 0);
    assert_eq!(count(&left, &traces[..1]), 1, "the id that was given again");
    assert!(!left.keys().any(|key| key.contains('~')), "{:?}", left.keys());
    let logs = left.iter().filter(|(key, value)| key.starts_with("log") && !value.is_empty()).count();
    assert_eq!(logs, 0);
    stored
}

#[test]
fn no_byte_of_a_deleted_record_is_left_in_a_store() {
    for quantization in [Quantization::Int8, Quantization::None] {
        for value_bytes in [900, 60_000] {
            let place = MemoryStore::with_value_bytes(value_bytes);
            let stored = erased(place.clone(), config(quantization), || content(&place));
            assert_eq!(orphans(&place), Vec::<String>::new());
            drop(stored);
            let again = now(StoredIndex::open(place, OpenOptions::default())).unwrap();
            let index = again.index().unwrap();
            assert!(index.check().unwrap().ok);
            assert_eq!((index.len(), index.iter().count()), (621, 621));
        }
    }
}

#[test]
fn no_byte_of_a_deleted_record_is_left_in_a_directory() {
    let path = std::env::temp_dir().join(format!("thermocline-erased-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    let files = || {
        let file = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        };
        fs::read_dir(&path).unwrap().map(file).collect()
    };
    let store = DirectoryStore::open(&path, StoreOptions::default()).unwrap();
    now(erased(store, config(Quantization::Int8), files).close()).unwrap();
    fs::remove_dir_all(&path).unwrap();
}

/// A checkpoint writes ids in many pieces; then most records are deleted, and the same checkpoint writes the ids again,
/// in few pieces. If it fails after that, the other pieces belong to no checkpoint, but erasing must remove them too.
#[test]
fn what_a_failed_checkpoint_has_written_twice_is_erased() {
    let id = |number: usize| format!("<{number:078}>");
    let mut twice = 0;
    for failing in 0.. {
        let place = MemoryStore::with_value_bytes(1000);
        let plan =
            FaultPlan { call: failing, fault: Fault::Before, error: StoreError::QuotaExceeded, is_dead_after: false };
        let store = Shared::new(&place, Some(plan));
        let Ok(stored) = now(StoredIndex::open(store.clone(), lazily(config(Quantization::Int8)))) else { continue };
        let mut rng = Rng(9);
        for number in 0..400 {
            let vector = rng.vector(DIMENSIONS);
            stored.change(|index| index.insert_with_id(id(number), &vector, None)).unwrap();
        }
        if now(stored.commit()).is_err() {
            continue;
        }
        store.set_waits(true);
        let mut is_small = false;
        let written = drive(stored.checkpoint(), || {
            if !is_small && content(&place).keys().any(|key| key.starts_with("s/i/")) {
                (40..400).for_each(|number| assert!(stored.change(|index| index.delete(&id(number).into())).unwrap()));
                is_small = true;
            }
        });
        store.set_waits(false);
        if written.is_ok() {
            break;
        }
        if !is_small {
            continue;
        }
        twice += 1;
        now(stored.erase(&SystemClock::default())).unwrap();
        assert_eq!(orphans(&place), Vec::<String>::new(), "call {failing}");
        assert_eq!(count(&content(&place), &[id(40).into_bytes(), id(399).into_bytes()]), 0);
    }
    assert!(twice > 0, "no checkpoint failed after most had been deleted");
}

/// Returns the bytes of the blocks that a store holds, by its own list.
fn block_bytes(place: &MemoryStore) -> u64 {
    let blocks = content(place).into_iter().filter(|(key, _)| key.starts_with("b/"));
    blocks.map(|(_, value)| value.len() as u64).sum()
}

#[test]
fn the_bytes_that_a_compaction_reports_as_freed_are_gone_from_the_store() {
    for (share, lazy) in [(2, true), (3, true), (9, true), (2, false)] {
        let place = MemoryStore::with_value_bytes(4000);
        let mut rng = Rng(3);
        let stored = now(StoredIndex::open(place.clone(), lazily(config(Quantization::Int8)))).unwrap();
        for _ in 0..1500 {
            let vector = rng.vector(DIMENSIONS);
            stored.change(|index| index.insert(&vector, Some(Payload::Bytes(&[5; 30])))).unwrap();
        }
        now(stored.checkpoint()).unwrap();
        drop(stored);
        let options = OpenOptions { lazy, ..Default::default() };
        let stored = now(StoredIndex::open(place.clone(), options)).unwrap();
        let before = block_bytes(&place);
        for number in (0..1500).filter(|number| number % share > 0) {
            assert_eq!(stored.change(|index| index.delete(&Id::Number(number))), Ok(true));
        }
        let clock = SystemClock::default();
        let report = now(stored.compact(&clock)).unwrap();
        let bytes = report.reclaimed_bytes;
        assert_eq!(bytes.cold as u64, before - block_bytes(&place), "{bytes:?}");
        assert_eq!(bytes.total(), bytes.graph + bytes.codes + bytes.warm + bytes.cold);
        assert!(share == 2 || bytes.cold as u64 > before / 3, "{bytes:?} of {before}");
        assert_eq!(stored.index().unwrap().last_compaction(), Some(&report));
        assert_eq!((orphans(&place), manifests(&content(&place)).len()), (Vec::new(), 2));
        drop(stored);
        let again = now(StoredIndex::open(place.clone(), options)).unwrap();
        assert_eq!(again.index().unwrap().stats().stored.cold, block_bytes(&place));
        assert_eq!(again.index().unwrap().len(), (0..1500).filter(|number| number % share == 0).count());
        // If there is nothing to do, nothing is freed and nothing written.
        let held = content(&place);
        let nothing = now(again.compact(&clock)).unwrap();
        assert_eq!((nothing.tombstones_removed, nothing.reclaimed_bytes.total()), (0, 0));
        assert!(content(&place) == held);
    }
}

#[test]
fn erasing_reports_a_damaged_block_that_may_hold_deleted_records() {
    let place = MemoryStore::with_value_bytes(4000);
    let mut rng = Rng(5);
    let stored = now(StoredIndex::open(place.clone(), lazily(config(Quantization::Int8)))).unwrap();
    for _ in 0..200 {
        let vector = rng.vector(DIMENSIONS);
        stored.change(|index| index.insert(&vector, None)).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    drop(stored);
    let (block, mut value) = content(&place).into_iter().find(|(key, _)| key.starts_with("b/")).unwrap();
    value[100] ^= 1;
    put(&place, &block, value);
    let stored = now(StoredIndex::open(place, lazily(config(Quantization::Int8)))).unwrap();
    (0..100).for_each(|number| drop(stored.change(|index| index.delete(&Id::Number(2 * number)))));
    let erased = now(stored.erase(&SystemClock::default()));
    assert!(matches!(erased, Err(Error::Corrupt { .. })), "{erased:?}");
    assert_eq!(stored.index().unwrap().len(), 100);
}

/// Packing leaves no tombstones for the completion in the store to notice, but is written nevertheless.
#[test]
fn packing_is_written_to_the_store() {
    let store = MemoryStore::default();
    let stored = now(StoredIndex::open(store.clone(), lazily(config(Quantization::Int8)))).unwrap();
    let mut rng = Rng(3);
    for _ in 0..1500 {
        let vector = rng.vector(DIMENSIONS);
        stored.change(|index| index.insert(&vector, None)).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    let scattered = now(stored.export()).unwrap();
    stored.change(Index::pack_start).unwrap();
    let report = now(stored.compact(&SystemClock::default())).unwrap();
    assert_eq!((report.tombstones_removed, report.new_size), (0, 1500));
    let packed = now(stored.export()).unwrap();
    assert_ne!(packed, scattered);
    drop(stored);
    let again = now(StoredIndex::open(store, OpenOptions::default())).unwrap();
    assert_eq!(now(again.export()).unwrap(), packed);
    assert!(again.index().unwrap().check().unwrap().ok);
}
