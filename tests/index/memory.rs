//! Bytes: what a report claims was freed was freed, and a compaction needs little memory of its own.

use thermocline::{Config, Id, Index, Payload, Quantization, ResidentBytes};

use crate::support::{Clusters, Rng, build, sound};

/// Deletes about `share` per cent of an index's records.
fn thin(index: &mut Index, share: usize) {
    let mut rng = Rng(9);
    let mut ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
    ids.sort();
    for id in ids.iter().filter(|_| rng.below(100) < share) {
        index.delete(id).unwrap();
    }
}

fn held(bytes: ResidentBytes) -> usize {
    bytes.graph + bytes.codes + bytes.ids + bytes.warm
}

#[test]
fn bytes_reclaimed_are_bytes_freed() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        for share in [1, 10, 30, 60, 95, 100] {
            let config = Config { quantization, ef_construction: 40, ..Config::new(48) };
            let mut index = build(config, &Clusters::new(2, 20, 48).vectors(4000));
            thin(&mut index, share);
            let before = index.stats();
            let report = index.compact().unwrap();
            let after = index.stats();
            let (old, new, reclaimed) = (before.bytes, after.bytes, report.reclaimed_bytes);
            // The states of slots and the table of positions are held with the graph and the records but not reported:
            // an eighth of a byte and four bytes per slot.
            let close = |freed: usize, said: usize, slack: usize| freed >= said && freed - said <= slack;
            let slots = before.size + before.deleted;
            assert_eq!(old.codes - new.codes, reclaimed.codes, "{share} per cent");
            assert!(close(old.graph - new.graph, reclaimed.graph, slots), "{share}: {old:?} {new:?} {reclaimed:?}");
            assert!(
                close(old.warm - new.warm, reclaimed.warm, 5 * slots + 4096),
                "{share}: {old:?} {new:?} {reclaimed:?}"
            );
            assert!(new.ids <= old.ids);
            assert_eq!(after.reclaimable_bytes, 0);
            if share >= 10 {
                assert!(reclaimed.codes > 0 && reclaimed.graph > 0, "{share}: {reclaimed:?}");
            }
            sound(&index);
        }
    }
}

/// After compaction, an index holds about as much as one that never had the deleted records.
#[test]
fn nothing_of_the_deleted_stays_behind() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        let config = Config { quantization, ef_construction: 40, ..Config::new(64) };
        let mut index = build(config, &Clusters::new(2, 20, 64).vectors(6000));
        thin(&mut index, 60);
        index.compact().unwrap();
        let vectors: Vec<Vec<f32>> = index.iter().map(|record| record.vector.to_vec()).collect();
        let fresh = build(config, &vectors);
        let (compacted, fresh) = (index.stats().bytes, fresh.stats().bytes);
        assert!(held(compacted) as f64 <= held(fresh) as f64 * 1.1, "{compacted:?}, {fresh:?} fresh");
        thin(&mut index, 100);
        index.compact().unwrap();
        assert!(held(index.stats().bytes) < 8192, "{:?} for no records", index.stats().bytes);
    }
}

#[test]
fn a_compaction_needs_little_room_of_its_own() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        let config = Config { quantization, ef_construction: 40, ..Config::new(96) };
        let mut index = build(config, &Clusters::new(2, 20, 96).vectors(6000));
        thin(&mut index, 30);
        let before = index.stats().bytes.total();
        let mut most = 0;
        index.compact_start().unwrap();
        while index.compact_step(40).unwrap() {
            most = most.max(index.stats().bytes.total());
        }
        index.compact_finish().unwrap();
        assert!(most as f64 <= before as f64 * 1.10, "{most} bytes at the most, {before} before");
        assert!(index.stats().bytes.total() < before);
    }
}

/// Replacing payloads repeatedly leaves stale bytes: a compaction frees them even if few records are tombstones.
#[test]
fn replaced_payloads_are_reclaimed() {
    let mut index = Index::new(Config { ef_construction: 16, ..Config::new(4) }).unwrap();
    let payload = vec![7; 20_000];
    for round in 0..40 {
        for number in 0..10u64 {
            let vector = [1.0, number as f32, round as f32, 0.5];
            index.upsert(number, &vector, Some(Payload::Bytes(&payload))).unwrap();
        }
    }
    assert!(index.needs_compaction());
    let before = index.stats();
    assert!(before.reclaimable_bytes > 7_000_000, "{before:?}");
    let report = index.compact().unwrap();
    assert!(report.reclaimed_bytes.warm > 6_000_000, "{report:?}");
    assert!(index.stats().bytes.warm < 2_000_000, "{:?}", index.stats());
    assert!(index.iter().all(|record| record.payload == Some(Payload::Bytes(&payload))));
    sound(&index);
}
