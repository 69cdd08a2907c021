//! Export and import: the same bytes, the same answers, the same future.

use thermocline::{Config, Id, Index, Metric, Quantization, SearchOptions};

use crate::support::{Clusters, METRICS, Model, OwnPayload, QUANTIZATIONS, Rng};

const DIMENSIONS: usize = 13;

fn id(i: u64) -> Id {
    if i.is_multiple_of(3) { Id::from(format!("ключ {i}").as_str()) } else { Id::from(i) }
}

/// Records of every kind, tombstones, and free slots from a compaction cut off after `steps`.
fn populated(metric: Metric, quantization: Quantization, steps: usize) -> Index {
    let config = Config { metric, quantization, m: 5, ef_construction: 30, seed: 99, ..Config::new(DIMENSIONS) };
    let mut index = Index::new(config).unwrap();
    let mut clusters = Clusters::new(1, 9, DIMENSIONS);
    for i in 0..400 {
        index.insert_with_id(id(i), &clusters.draw().1, OwnPayload::of(i).borrow()).unwrap();
    }
    for i in (0..400).filter(|i| i % 5 < 2) {
        index.delete(&id(i)).unwrap();
    }
    index.compact_start().unwrap();
    for _ in 0..steps {
        index.compact_step(1).unwrap();
    }
    for i in (0..400).filter(|i| i % 11 == 4) {
        index.delete(&id(i)).unwrap();
    }
    index
}

#[test]
fn an_import_equals_what_was_exported() {
    for (metric, quantization) in METRICS.into_iter().flat_map(|m| QUANTIZATIONS.map(|q| (m, q))) {
        for steps in [0, 100, 450, 600, 800, 1100, 100_000] {
            let index = populated(metric, quantization, steps);
            let bytes = index.export().unwrap();
            let again = Index::import(&bytes).unwrap();
            assert_eq!(again.config(), index.config());
            Model::of(&index).verify(&again);
            assert!(again.export().unwrap() == bytes, "after {steps} steps of a compaction");
            let mut rng = Rng(4);
            for ef in [1, 5, 200] {
                let query = rng.vector(DIMENSIONS);
                let options = || SearchOptions::top(5).with_ef(ef);
                let found = again.search(&query, options());
                assert_eq!(found, index.search(&query, options()));
                // Untrained codes are the only reason to refuse.
                assert!(found.is_ok() || quantization == Quantization::Product, "{quantization:?}: {found:?}");
            }
        }
    }
}

/// Inserts, deletes and compactions, the same on every call.
fn live_on(index: &mut Index) {
    let mut clusters = Clusters::new(7, 9, DIMENSIONS);
    for i in 0..150u64 {
        index.insert(&clusters.draw().1, OwnPayload::of(i).borrow()).unwrap();
        index.upsert(id(i * 2), &clusters.draw().1, None).unwrap();
        index.delete(&id(i + 17)).unwrap();
        if i == 100 {
            index.compact().unwrap();
        }
    }
}

#[test]
fn later_calls_give_the_same_bytes_after_a_round_trip() {
    for (metric, quantization) in METRICS.into_iter().flat_map(|m| QUANTIZATIONS.map(|q| (m, q))) {
        for steps in [0, 300, 620, 900, 100_000] {
            let mut index = populated(metric, quantization, steps);
            index.compact_abort();
            let mut again = Index::import(&index.export().unwrap()).unwrap();
            live_on(&mut index);
            live_on(&mut again);
            assert!(index.export().unwrap() == again.export().unwrap(), "{metric:?} {quantization:?} {steps}");
            Model::of(&index).verify(&again);
        }
    }
}

#[test]
fn an_empty_index_survives_a_round_trip() {
    for prepare in [
        |_: &mut Index| {},
        |index: &mut Index| {
            let id = index.insert(&[1.0; DIMENSIONS], None).unwrap();
            index.delete(&id).unwrap();
            index.compact().unwrap();
        },
    ] {
        let mut index = Index::new(Config::new(DIMENSIONS)).unwrap();
        prepare(&mut index);
        let again = Index::import(&index.export().unwrap()).unwrap();
        assert_eq!((again.len(), again.deleted()), (0, 0));
        assert!(again.export().unwrap() == index.export().unwrap());
        assert!(again.search(&[1.0; DIMENSIONS], SearchOptions::default()).unwrap().is_empty());
    }
}

#[test]
fn numbers_that_were_ids_are_not_given_again_after_import() {
    let mut index = Index::new(Config::new(DIMENSIONS)).unwrap();
    for number in 0..10 {
        assert_eq!(index.insert(&[1.0; DIMENSIONS], None).unwrap(), Id::from(number));
    }
    index.delete(&Id::from(9)).unwrap();
    index.compact().unwrap();
    let mut again = Index::import(&index.export().unwrap()).unwrap();
    assert_eq!(again.insert(&[1.0; DIMENSIONS], None).unwrap(), Id::from(10));
}

/// Deleted vectors and payloads must not be disclosed.
#[test]
fn deleted_contents_are_not_exported() {
    let mut index = Index::new(Config::new(3)).unwrap();
    let secret = OwnPayload::Bytes(b"the secret of the lake".to_vec());
    index.insert_with_id("kept", &[1.0, 2.0, 3.0], OwnPayload::Bytes(b"the harmless one".to_vec()).borrow()).unwrap();
    index.insert_with_id("gone", &[0.123_456_7, 7.0, 9.0], secret.borrow()).unwrap();
    let holds = |index: &Index, needle: &[u8]| index.export().unwrap().windows(needle.len()).any(|w| w == needle);
    let component = 0.123_456_7f32.to_le_bytes();
    assert!(holds(&index, b"the secret") && holds(&index, b"gone") && holds(&index, &component));
    index.delete(&Id::from("gone")).unwrap();
    assert!(!holds(&index, b"the secret") && !holds(&index, b"gone") && !holds(&index, &component));
    assert!(holds(&index, b"the harmless one") && holds(&index, b"kept"));
}
