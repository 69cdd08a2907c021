//! Options for an existing index, reading only, and every kind of record.

use thermocline::{
    Batch, Config, Error, Id, Index, MemoryStore, Metric, Mode, OpenOptions, Payload, Quantization, Store, StoreError,
    StoredIndex,
};

use crate::support::{Rng, Shared, content, drive, now, now_ms, set_now_ms};

fn open(place: &MemoryStore, config: Option<Config>, mode: Mode) -> Result<StoredIndex<MemoryStore>, Error> {
    now(StoredIndex::open(place.clone(), OpenOptions { config, mode, ..Default::default() }))
}

fn filled(config: Config) -> MemoryStore {
    let place = MemoryStore::default();
    let stored = open(&place, Some(config), Mode::ReadWrite).unwrap();
    for number in 0..20 {
        let vector = Rng(number).vector(config.dimensions);
        stored.change(|index| index.insert(&vector, None)).unwrap();
    }
    now(stored.close()).unwrap();
    place
}

#[test]
fn fixed_options_are_compared_and_others_replaced() {
    let config = Config::new(5);
    let place = filled(config);
    let before = content(&place);
    assert_eq!(
        open(&place, Some(Config::new(6)), Mode::ReadWrite).err(),
        Some(Error::DimensionMismatch { expected: 5, received: 6 })
    );
    let others = [
        ("metric", Config { metric: Metric::L2, ..config }),
        ("quantization", Config { quantization: Quantization::None, ..config }),
        ("m", Config { m: 8, ..config }),
        ("ef", Config { ef: 0, ..config }),
    ];
    for (name, other) in others {
        let error = open(&place, Some(other), Mode::ReadWrite).unwrap_err();
        assert!(matches!(&error, Error::InvalidOption { option, .. } if *option == name), "{error}");
    }
    assert_eq!(content(&place), before);

    let asked = Config { ef: 33, ef_construction: 77, compaction_threshold: 0.5, seed: 1, ..config };
    let stored = open(&place, Some(asked), Mode::ReadWrite).unwrap();
    let expected = Config { seed: config.seed, ..asked };
    assert_eq!(*stored.index().unwrap().config(), expected);
    now(stored.checkpoint()).unwrap();
    assert_eq!(*open(&place, None, Mode::ReadOnly).unwrap().index().unwrap().config(), expected);
}

#[test]
fn a_budget_needs_no_other_options() {
    let config = Config { ef: 33, ef_construction: 77, compaction_threshold: 0.5, ..Config::new(5) };
    let place = filled(config);
    let with = |config, max_bytes| OpenOptions { config, max_bytes, ..Default::default() };
    let opened = |options| now(StoredIndex::open(place.clone(), options));
    let budget = Config { max_bytes: Some(1 << 20), ..config };
    let stored = opened(with(None, budget.max_bytes)).unwrap();
    assert_eq!(*stored.index().unwrap().config(), budget);
    assert!(!stored.checkpoint_due().unwrap(), "nothing has changed that is stored");
    drop(stored);
    // It replaces that of a whole set of options, also for an index from memory, and makes no index of nothing.
    let stored = opened(with(Some(Config { max_bytes: None, ..budget }), budget.max_bytes)).unwrap();
    assert_eq!(*stored.index().unwrap().config(), budget);
    let (index, fresh) = (Index::new(config).unwrap(), MemoryStore::default());
    let stored = now(StoredIndex::create_with(fresh, index, with(None, budget.max_bytes))).unwrap();
    assert_eq!(*stored.index().unwrap().config(), budget);
    let nothing = now(StoredIndex::open(MemoryStore::default(), with(None, budget.max_bytes)));
    assert!(matches!(nothing, Err(Error::NotFound { .. })));
}

/// Options are only in the manifest. A small index may never need a checkpoint for any other reason, so changed options
/// must make one due.
#[test]
fn options_that_have_changed_are_kept_by_closing() {
    let config = Config { max_bytes: Some(1 << 20), ..Config::new(5) };
    let place = filled(config);
    let changes: [fn(Config) -> Config; 3] = [
        |before| Config { ef: 33, ..before },
        |before| Config { ef_construction: 77, ..before },
        |before| Config { compaction_threshold: 0.5, ..before },
    ];
    let mut asked = config;
    for change in changes {
        asked = change(asked);
        let stored = open(&place, Some(asked), Mode::ReadWrite).unwrap();
        assert!(stored.checkpoint_due().unwrap());
        now(stored.close()).unwrap();
        let again = open(&place, None, Mode::ReadWrite).unwrap();
        assert_eq!(*again.index().unwrap().config(), Config { max_bytes: None, ..asked });
        // The budget is that of the process, and stored nowhere.
        again.change(|index| index.set_options(asked)).unwrap();
        assert!(!again.checkpoint_due().unwrap());
    }
    let stored = open(&place, None, Mode::ReadWrite).unwrap();
    stored.change(|index| index.set_compaction_threshold(0.25)).unwrap();
    now(stored.close()).unwrap();
    let stored = open(&place, None, Mode::ReadWrite).unwrap();
    assert_eq!(stored.index().unwrap().compaction_threshold(), 0.25);
    stored.change(|index| index.set_compaction_threshold(0.75)).unwrap();
    now(stored.checkpoint()).unwrap();
    assert!(!stored.checkpoint_due().unwrap());
}

/// With given options, as if the index had been opened with them.
#[test]
fn an_index_is_put_into_a_store_with_options() {
    let config = Config::new(4);
    let create = |options: OpenOptions| {
        let mut index = Index::new(config).unwrap();
        index.insert_with_id_expiring("brief", &[1.0; 4], None, Some(500.0)).unwrap();
        let place = MemoryStore::default();
        now(StoredIndex::create_with(place.clone(), index, options)).map(|stored| (place, stored))
    };
    let asked = Config { ef: 33, seed: 1, ..config };
    set_now_ms(100.0);
    let options = OpenOptions { config: Some(asked), now_ms, ..Default::default() };
    let (place, stored) = create(options).unwrap();
    assert_eq!(*stored.index().unwrap().config(), Config { seed: config.seed, ..asked });
    assert_eq!(stored.index().unwrap().len(), 1);
    set_now_ms(600.0);
    assert_eq!(stored.index().unwrap().len(), 0);
    drop(stored);
    assert_eq!(open(&place, None, Mode::ReadOnly).unwrap().index().unwrap().config().ef, 33);
    let before = content(&place);
    let again = now(StoredIndex::create(place.clone(), Index::new(config).unwrap())).unwrap_err();
    assert_eq!((&again, again.code()), (&Error::AlreadyExists, "INVALID_OPTION"));
    assert_eq!(content(&place), before);

    assert_eq!(create(OpenOptions { mode: Mode::ReadOnly, ..options }).err(), Some(Error::ReadOnly));
    let other = create(OpenOptions { config: Some(Config::new(5)), ..options }).err();
    assert_eq!(other, Some(Error::DimensionMismatch { expected: 4, received: 5 }));
}

/// A store opened for reading only that must not be called.
struct Reading;

impl Store for Reading {
    async fn read(&self, _: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        panic!("it is asked for values")
    }

    async fn commit(&self, _: Batch) -> Result<(), StoreError> {
        panic!("it is written to")
    }

    async fn append(&self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        panic!("it is written to")
    }

    async fn list(&self, _: &str) -> Result<Vec<String>, StoreError> {
        panic!("it is asked for keys")
    }

    async fn close(&self) -> Result<(), StoreError> {
        panic!("it is closed")
    }

    fn mode(&self) -> Mode {
        Mode::ReadOnly
    }

    fn value_bytes(&self) -> usize {
        1 << 16
    }
}

/// Whatever the options.
#[test]
fn an_index_is_not_put_into_a_store_that_is_for_reading_only() {
    let index = Index::new(Config::new(4)).unwrap();
    assert_eq!(now(StoredIndex::create(Reading, index)).err(), Some(Error::ReadOnly));
}

#[test]
fn a_place_without_an_index_is_not_found() {
    let place = MemoryStore::default();
    for (config, mode) in [(None, Mode::ReadWrite), (None, Mode::ReadOnly), (Some(Config::new(3)), Mode::ReadOnly)] {
        assert!(matches!(open(&place, config, mode), Err(Error::NotFound { .. })));
    }
    assert!(content(&place).is_empty());
}

#[test]
fn reading_only_changes_nothing() {
    let place = filled(Config::new(4));
    let writer = open(&place, None, Mode::ReadWrite).unwrap();
    writer.change(|index| index.insert_with_id("late", &[1.0; 4], None)).unwrap();
    now(writer.commit()).unwrap();
    let before = content(&place);
    let reader = open(&place, Some(Config { ef: 20, ..Config::new(4) }), Mode::ReadOnly).unwrap();
    assert!(reader.index().unwrap().is_read_only() && reader.index().unwrap().contains(&"late".into()).unwrap());
    let refusals = [
        reader.change(|index| index.insert(&[1.0; 4], None)).err(),
        reader.change(|index| index.insert_with_id("new", &[1.0; 4], None)).err(),
        reader.change(|index| index.upsert("late", &[1.0; 4], None)).err(),
        reader.change(|index| index.delete(&"late".into())).err(),
        reader.change(|index| index.delete(&"never there".into())).err(),
        reader.change(Index::clear).err(),
        reader.change(Index::compact_start).err(),
        now(reader.checkpoint()).err(),
    ];
    assert!(refusals.iter().all(|refusal| *refusal == Some(Error::ReadOnly)), "{refusals:?}");
    assert_eq!(now(reader.commit()), Ok(()));
    assert_eq!(reader.index().unwrap().search(&[1.0; 4], Default::default()).unwrap()[0].id, "late".into());
    now(reader.close()).unwrap();
    assert_eq!(content(&place), before);
}

/// Whatever a writer deletes while a reader opens, the reader finds another checkpoint.
#[test]
fn a_reader_opens_beside_a_writer_that_writes_checkpoints() {
    for after in 0..12 {
        let place = filled(Config::new(4));
        let writer = open(&place, None, Mode::ReadWrite).unwrap();
        now(writer.checkpoint()).unwrap();
        let store = Shared::new(&place, None);
        store.set_waits(true);
        let mut waits = 0;
        let options = OpenOptions { mode: Mode::ReadOnly, ..Default::default() };
        let reader = drive(StoredIndex::open(store, options), || {
            waits += 1;
            if waits > after && waits <= after + 3 {
                for _ in 0..3 {
                    writer.change(|index| index.insert(&[0.5; 4], None)).unwrap();
                    now(writer.checkpoint()).unwrap();
                }
            }
        });
        let reader = reader.unwrap_or_else(|error| panic!("after {after}: {error}"));
        assert!(reader.index().unwrap().len() >= 20 && reader.index().unwrap().check().unwrap().ok);
    }
}

#[test]
fn every_kind_of_record_comes_back() {
    let payloads = [
        None,
        Some(Payload::Json("{\"å\":[1,2]}")),
        Some(Payload::Json("")),
        Some(Payload::Bytes(&[0, 255, 7])),
        Some(Payload::Bytes(&[])),
    ];
    let long = "ü".repeat(Id::MAX_TEXT_BYTES / 2);
    let ids = [Id::from(0), Id::from(Id::MAX_NUMBER), "a".into(), long.as_str().into(), "ф☃".into()];
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        for quantization in [Quantization::None, Quantization::Int8] {
            let place = MemoryStore::with_value_bytes(100);
            let config = Config { metric, quantization, ..Config::new(3) };
            let stored = open(&place, Some(config), Mode::ReadWrite).unwrap();
            let vector = |at: usize| [at as f32 + 0.1, -1.5, 1e-3 * at as f32];
            for (at, (id, payload)) in ids.iter().zip(payloads).enumerate() {
                stored.change(|index| index.insert_with_id(id.clone(), &vector(at), payload)).unwrap();
            }
            let verify = |index: &Index| {
                assert_eq!((index.config(), index.len()), (&config, 5));
                for (at, (id, payload)) in ids.iter().zip(payloads).enumerate() {
                    let record = index.get(id).unwrap().unwrap();
                    assert_eq!((record.vector, record.payload), (&vector(at)[..], payload));
                }
            };
            // From the log, from a checkpoint, and from both.
            now(stored.commit()).unwrap();
            drop(stored);
            let stored = open(&place, None, Mode::ReadWrite).unwrap();
            verify(&stored.index().unwrap());
            now(stored.checkpoint()).unwrap();
            let stored = open(&place, None, Mode::ReadWrite).unwrap();
            verify(&stored.index().unwrap());
            stored.change(|index| index.upsert(ids[2].clone(), &vector(2), payloads[2])).unwrap();
            now(stored.commit()).unwrap();
            verify(&open(&place, None, Mode::ReadOnly).unwrap().index().unwrap());
        }
    }
}
