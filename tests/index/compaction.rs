//! The sixteen cases to be expected of compaction, each under its own name.

use thermocline::{CompactionReport, Config, Error, Id, Index, Payload, SearchOptions};

use crate::support::{Clusters, Model, Rng, build, mean_recall, sound};

const DIMENSIONS: usize = 16;

/// 600 records with payloads, number and string ids, every third deleted.
fn with_tombstones() -> Index {
    let mut index = Index::new(Config::new(DIMENSIONS)).unwrap();
    let vectors = Clusters::new(5, 10, DIMENSIONS).vectors(600);
    for (i, vector) in vectors.iter().enumerate() {
        let text = format!("{{\"row\":{i}}}");
        let id = if i % 2 == 0 { Id::from(i as u64) } else { Id::from(format!("row {i}").as_str()) };
        index.insert_with_id(id, vector, Some(Payload::Json(&text))).unwrap();
    }
    let ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
    for id in ids.iter().step_by(3) {
        assert!(index.delete(id).unwrap());
    }
    index
}

#[test]
fn all_tombstones_removed() {
    let mut index = with_tombstones();
    assert_eq!((index.len(), index.deleted()), (400, 200));
    let report = index.compact().unwrap();
    assert_eq!((report.tombstones_removed, index.len(), index.deleted()), (200, 400, 0));
    assert_eq!(index.stats().tombstone_ratio, 0.0);
    assert_eq!(index.stats().reclaimable_bytes, 0);
    sound(&index);
}

#[test]
fn content_preserved() {
    let mut index = with_tombstones();
    let model = Model::of(&index);
    assert_eq!(model.records.len(), 400);
    index.compact().unwrap();
    model.verify(&index);
    // Deleted records stay deleted.
    assert!(!index.contains(&Id::from(0)).unwrap());
    assert_eq!(index.get(&Id::from("row 3")).unwrap(), None);
}

#[test]
fn search_quality_kept() {
    let mut clusters = Clusters::new(8, 40, 24);
    let vectors = clusters.vectors(3000);
    let mut index = build(Config { ef_construction: 100, ..Config::new(24) }, &vectors);
    let mut rng = Rng(3);
    for number in 0..3000 {
        if rng.below(10) < 3 {
            index.delete(&Id::from(number)).unwrap();
        }
    }
    let queries = clusters.vectors(100);
    let before = mean_recall(&index, &queries, 10, 32);
    index.compact().unwrap();
    let after = mean_recall(&index, &queries, 10, 32);
    assert!(before > 0.9 && after > before - 0.01, "recall {before} before and {after} after");
}

#[test]
fn no_op_when_nothing_is_deleted() {
    let mut index = build(Config::new(DIMENSIONS), &Clusters::new(1, 4, DIMENSIONS).vectors(100));
    let (bytes, stats) = (index.export().unwrap(), index.stats());
    let report = index.compact().unwrap();
    assert_eq!((report.tombstones_removed, report.reclaimed_bytes.total(), report.new_size), (0, 0, 100));
    assert!(index.export().unwrap() == bytes, "nothing changed");
    assert_eq!(index.stats(), stats);
}

#[test]
fn threshold_logic() {
    let mut index = build(Config::new(DIMENSIONS), &Clusters::new(1, 4, DIMENSIONS).vectors(100));
    assert_eq!(index.compaction_threshold(), 0.3);
    assert!(!index.needs_compaction());
    for number in 0..30 {
        index.delete(&Id::from(number)).unwrap();
        assert!(!index.needs_compaction(), "{} of 100 deleted", number + 1);
    }
    index.delete(&Id::from(30)).unwrap();
    assert!(index.needs_compaction(), "31 of 100 deleted");
    index.set_compaction_threshold(0.5).unwrap();
    assert!(!index.needs_compaction());
    index.set_compaction_threshold(0.1).unwrap();
    assert!(index.needs_compaction());
    index.compact().unwrap();
    assert!(!index.needs_compaction());
}

#[test]
fn threshold_set() {
    let mut index = Index::new(Config { compaction_threshold: 0.45, ..Config::new(2) }).unwrap();
    assert_eq!(index.compaction_threshold(), 0.45);
    for threshold in [0.01, 0.2, 0.7, 0.99] {
        index.set_compaction_threshold(threshold).unwrap();
        assert_eq!(index.compaction_threshold(), threshold);
    }
}

#[test]
fn threshold_clamped() {
    let mut index = Index::new(Config { compaction_threshold: 7.0, ..Config::new(2) }).unwrap();
    assert_eq!(index.compaction_threshold(), 0.99);
    for (given, held) in [(0.0, 0.01), (-1.0, 0.01), (1.0, 0.99), (f64::INFINITY, 0.99), (f64::NEG_INFINITY, 0.01)] {
        index.set_compaction_threshold(given).unwrap();
        assert_eq!(index.compaction_threshold(), held, "{given}");
    }
    assert!(matches!(index.set_compaction_threshold(f64::NAN), Err(Error::InvalidOption { .. })));
    assert_eq!(index.compaction_threshold(), 0.01);
}

#[test]
fn insert_with_id_valid() {
    let mut index = with_tombstones();
    index.compact().unwrap();
    let vector = vec![0.25; DIMENSIONS];
    for id in [Id::from(0), Id::from("row 3"), Id::from(Id::MAX_NUMBER), Id::from("ünïcode")] {
        index.insert_with_id(id.clone(), &vector, Some(Payload::Bytes(b"new"))).unwrap();
        let record = index.get(&id).unwrap().unwrap();
        assert_eq!((record.vector, record.payload), (&vector[..], Some(Payload::Bytes(b"new"))));
        assert!(index.delete(&id).unwrap());
    }
    sound(&index);
}

#[test]
fn insert_with_id_duplicate() {
    let mut index = with_tombstones();
    index.compact().unwrap();
    let model = Model::of(&index);
    let id = model.records.keys().min().unwrap().clone();
    let result = index.insert_with_id(id.clone(), &[1.0; DIMENSIONS], None);
    assert_eq!(result, Err(Error::DuplicateId { id }));
    model.verify(&index);
}

#[test]
fn insert_with_id_invalid_id() {
    let mut index = with_tombstones();
    index.compact().unwrap();
    let model = Model::of(&index);
    for id in [Id::from(""), Id::from("x".repeat(4097).as_str()), Id::from(Id::MAX_NUMBER + 1), Id::from(u64::MAX)] {
        let result = index.insert_with_id(id.clone(), &[1.0; DIMENSIONS], None);
        assert!(matches!(result, Err(Error::InvalidId { .. })), "{id}: {result:?}");
    }
    model.verify(&index);
}

#[test]
fn insert_with_id_wrong_dimension() {
    let mut index = with_tombstones();
    index.compact().unwrap();
    let model = Model::of(&index);
    for received in [0, 1, DIMENSIONS - 1, DIMENSIONS + 1, 1000] {
        let result = index.insert_with_id("fresh", &vec![1.0; received], None);
        assert_eq!(result, Err(Error::DimensionMismatch { expected: DIMENSIONS, received }));
    }
    model.verify(&index);
}

#[test]
fn empty_index() {
    let mut index = Index::new(Config::new(DIMENSIONS)).unwrap();
    assert!(!index.needs_compaction());
    let report = index.compact().unwrap();
    assert_eq!((report.tombstones_removed, report.new_size, report.reclaimed_bytes.total()), (0, 0, 0));
    assert!(index.search(&[1.0; DIMENSIONS], SearchOptions::default()).unwrap().is_empty());
    index.insert(&[1.0; DIMENSIONS], None).unwrap();
    sound(&index);
}

#[test]
fn all_deleted() {
    let mut index = with_tombstones();
    let ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
    for id in &ids {
        index.delete(id).unwrap();
    }
    assert_eq!((index.len(), index.deleted()), (0, 600));
    assert!(index.needs_compaction());
    assert!(index.search(&[1.0; DIMENSIONS], SearchOptions::default()).unwrap().is_empty());
    let report = index.compact().unwrap();
    assert_eq!((report.tombstones_removed, report.new_size, index.deleted()), (600, 0, 0));
    assert!(index.search(&[1.0; DIMENSIONS], SearchOptions::default()).unwrap().is_empty());
    sound(&index);
    index.insert_with_id("row 1", &[1.0; DIMENSIONS], None).unwrap();
    assert_eq!(index.search(&[1.0; DIMENSIONS], SearchOptions::default()).unwrap()[0].id, Id::from("row 1"));
}

#[test]
fn threshold_setting_preserved() {
    let mut index = with_tombstones();
    index.set_compaction_threshold(0.125).unwrap();
    index.compact().unwrap();
    assert_eq!(index.compaction_threshold(), 0.125);
    let again = Index::import(&index.export().unwrap()).unwrap();
    assert_eq!(again.compaction_threshold(), 0.125);
    index.clear().unwrap();
    assert_eq!(index.compaction_threshold(), 0.125);
}

#[test]
fn several_times_over() {
    let mut index = with_tombstones();
    let mut rng = Rng(11);
    for round in 0..12 {
        let ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
        for id in ids.iter().filter(|_| rng.below(3) == 0) {
            index.delete(id).unwrap();
        }
        for _ in 0..rng.below(200) {
            index.insert(&rng.vector(DIMENSIONS), None).unwrap();
        }
        let (deleted, model) = (index.deleted(), Model::of(&index));
        let report = index.compact().unwrap();
        assert_eq!((report.tombstones_removed, report.new_size), (deleted, model.records.len()), "round {round}");
        model.verify(&index);
        // A second compaction right away has nothing to do.
        let report = index.compact().unwrap();
        assert_eq!((report.tombstones_removed, report.reclaimed_bytes.total()), (0, 0), "round {round}");
    }
}

#[test]
fn report_fields_right() {
    let mut index = with_tombstones();
    assert_eq!(index.last_compaction(), None);
    let before = index.stats().bytes;
    let report = index.compact().unwrap();
    let after = index.stats().bytes;
    assert_eq!((report.tombstones_removed, report.new_size), (200, 400));
    assert!(report.slices >= 1);
    assert!(report.longest_slice_ms > 0.0 && report.longest_slice_ms <= report.duration_ms);
    assert!(report.duration_ms < 60_000.0);
    let reclaimed = report.reclaimed_bytes;
    assert_eq!(reclaimed.total(), reclaimed.graph + reclaimed.codes + reclaimed.warm + reclaimed.cold);
    assert!(reclaimed.graph > 0 && reclaimed.codes > 0 && reclaimed.warm > 0, "{reclaimed:?}");
    assert_eq!(reclaimed.cold, 0);
    assert_eq!(reclaimed.codes, before.codes - after.codes);
    assert_eq!(index.last_compaction(), Some(&report));
    assert_eq!(CompactionReport::default().new_size, 0);
}
