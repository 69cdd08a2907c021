//! A mapped index put into a store. Its records are copied to memory, or go from the file to the store.

use crate::support::{DIMENSIONS, Rng, index, mapped};
use thermocline::bench_support::{Fault, FaultPlan, FaultStore};
use thermocline::{
    Config, Error, Id, Index, MemoryStore, Metric, Mode, OpenOptions, Payload, Quantization, Store, StoreError,
    StoredIndex, SystemClock, block_on,
};

const RECORDS: u64 = 1500;
const EAGER: OpenOptions = options(false);
const LAZY: OpenOptions = options(true);
const PAYLOAD_BYTES: usize = 4096;

const fn options(lazy: bool) -> OpenOptions {
    OpenOptions { config: None, max_bytes: None, lazy, mode: Mode::ReadWrite, now_ms: || 0.0, clock: None }
}

fn export() -> Vec<u8> {
    let config = Config { metric: Metric::Cosine, m: 6, ef_construction: 40, ..Config::new(DIMENSIONS) };
    let mut index = Index::new(config).unwrap();
    let mut rng = Rng(8);
    for number in 0..RECORDS {
        let payload = vec![number as u8; PAYLOAD_BYTES];
        index.insert_with_id(number, &rng.vector(), Some(Payload::Bytes(&payload))).unwrap();
    }
    index.export().unwrap()
}

fn keys(place: &MemoryStore) -> Vec<String> {
    block_on(place.list("")).unwrap()
}

#[test]
fn it_is_the_same_index_before_and_after_it_is_opened_again() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        let bytes = index(Metric::Cosine, quantization, 1200).export().unwrap();
        for options in [EAGER, LAZY] {
            let store = MemoryStore::default();
            let stored = block_on(StoredIndex::create_with(store.clone(), mapped(&bytes), options)).unwrap();
            let stored_export = block_on(stored.export()).unwrap();
            assert!(stored_export == bytes, "{quantization:?}");
            block_on(stored.close()).unwrap();
            let again = block_on(StoredIndex::open(store, EAGER)).unwrap();
            assert!(block_on(again.export()).unwrap() == bytes, "{quantization:?}");
        }
    }
}

#[test]
fn its_records_are_in_memory_unless_they_are_asked_to_be_in_the_store_only() {
    let bytes = export();
    let budget = OpenOptions { max_bytes: Some(2_000_000), ..EAGER };
    for (options, is_there) in [(EAGER, true), (LAZY, false), (budget, false)] {
        let stored = block_on(StoredIndex::create_with(MemoryStore::default(), mapped(&bytes), options)).unwrap();
        let (index, id) = (stored.index().unwrap(), 7.into());
        assert_eq!(
            index.get(&id).map(|record| record.is_some()).map_err(|error| error.code()),
            if is_there { Ok(true) } else { Err("COLD") }
        );
    }
}

/// Also a record that was changed in the meantime, and one that was inserted.
#[test]
fn its_records_are_in_the_store_only_and_those_that_are_not_the_files_in_memory_too() {
    let mut changed = mapped(&export());
    changed.upsert(3, &[0.5; DIMENSIONS], Some(Payload::Json("3"))).unwrap();
    changed.insert_with_id("new", &[0.25; DIMENSIONS], Some(Payload::Json("4"))).unwrap();
    changed.delete(&5.into()).unwrap();
    changed.link_all().unwrap();
    let stored = block_on(StoredIndex::create_with(MemoryStore::default(), changed, LAZY)).unwrap();
    let warm = stored.index().unwrap().stats().bytes.warm;
    assert!(warm < RECORDS as usize * PAYLOAD_BYTES / 10, "{warm} bytes are warm");
    let payload = |id: Id| {
        let read = |record: thermocline::Record<'_>| match record.payload {
            Some(Payload::Json(text)) => text.as_bytes().to_vec(),
            Some(Payload::Bytes(bytes)) => bytes.to_vec(),
            None => Vec::new(),
        };
        block_on(stored.get(&id, read)).unwrap()
    };
    for number in (0..RECORDS).filter(|number| ![3, 5].contains(number)) {
        assert_eq!(payload(number.into()), Some(vec![number as u8; PAYLOAD_BYTES]), "{number}");
    }
    assert_eq!([payload(3.into()), payload("new".into())], [Some(b"3".to_vec()), Some(b"4".to_vec())]);
    assert_eq!(payload(5.into()), None);
    assert!(stored.index().unwrap().check().unwrap().ok);
}

/// The same changes, compactions, erasures and checkpoints are made to one whose records were all in memory.
#[test]
fn it_lives_on_like_an_imported_one() {
    let all = [Quantization::Int8, Quantization::Binary, Quantization::None];
    for (seed, quantization) in (0..12).zip(all.into_iter().cycle()) {
        let bytes = index(Metric::ALL[seed / 3 % 3], quantization, 1400).export().unwrap();
        let options = OpenOptions { max_bytes: (seed % 2 == 0).then_some(1_500_000), ..LAZY };
        let create = |index| block_on(StoredIndex::create_with(MemoryStore::default(), index, options)).unwrap();
        let both = [create(mapped(&bytes)), create(Index::import(&bytes).unwrap())];
        let mut rng = Rng(seed as u64);
        for _ in 0..12 {
            for _ in 0..rng.below(60) {
                let (choice, id, vector) = (rng.below(8), rng.id(1700), rng.vector());
                let payload = (choice % 2 == 0).then_some(Payload::Json("[1]"));
                let results = both.each_ref().map(|stored| {
                    stored.change(|index| match choice {
                        0..4 => index.upsert(id.clone(), &vector, payload).map(|()| true),
                        4 => index.insert(&vector, payload).map(|_| true),
                        _ => index.delete(&id),
                    })
                });
                assert_eq!(results[0], results[1]);
            }
            let choice = rng.below(5);
            let clock = SystemClock::default();
            for stored in &both {
                block_on(stored.commit()).unwrap();
                match choice {
                    0 => drop(block_on(stored.compact(&clock)).unwrap()),
                    1 => drop(block_on(stored.erase(&clock)).unwrap()),
                    2 => block_on(stored.checkpoint()).unwrap(),
                    _ => {}
                }
            }
            let id = rng.id(1700);
            let [found, expected] =
                both.each_ref().map(|stored| block_on(stored.get(&id, |record| format!("{record:?}"))));
            assert_eq!(found, expected, "seed {seed}");
        }
        let reports = both.each_ref().map(|stored| stored.index().unwrap().check().unwrap());
        assert!(reports.iter().all(|report| report.ok), "seed {seed}: {reports:?}");
        let [found, expected]: [Vec<u8>; 2] = both.each_ref().map(|stored| block_on(stored.export()).unwrap());
        assert!(found == expected, "seed {seed}");
    }
}

#[test]
fn a_failure_of_the_store_leaves_nothing_there_and_the_file_can_be_put_there_again() {
    let bytes = export();
    let mut refusals = 0;
    for call in 0.. {
        let place = MemoryStore::default();
        let error = StoreError::QuotaExceeded;
        let plan = FaultPlan { call, fault: Fault::Before, error, is_dead_after: false };
        match block_on(StoredIndex::create_with(FaultStore::new(place.clone(), Some(plan)), mapped(&bytes), LAZY)) {
            Err(refused) => assert_eq!(refused.code(), "QUOTA_EXCEEDED"),
            Ok(_) => break,
        }
        assert!(keys(&place).is_empty(), "call {call}: {:?}", keys(&place));
        let stored = block_on(StoredIndex::create(place, mapped(&bytes))).unwrap();
        assert!(block_on(stored.export()).unwrap() == bytes, "call {call}");
        refusals += 1;
    }
    assert!(refusals > 5, "{refusals} calls");
}

#[test]
fn a_malformed_record_is_not_left_out_but_an_error() {
    let mut bytes = export();
    let payload = [7; PAYLOAD_BYTES];
    let at = bytes.windows(PAYLOAD_BYTES).position(|found| found == payload).unwrap();
    bytes[at - DIMENSIONS * size_of::<f32>() - 1] ^= 0x40;
    assert!(matches!(mapped(&bytes).get(&7.into()), Err(Error::Corrupt { .. })));
    for options in [EAGER, LAZY] {
        let place = MemoryStore::default();
        let refused = block_on(StoredIndex::create_with(place.clone(), mapped(&bytes), options)).err();
        assert!(matches!(&refused, Some(Error::Corrupt { what }) if what.contains("slot 7")), "{refused:?}");
        assert!(keys(&place).is_empty());
    }
}
