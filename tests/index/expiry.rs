//! Records that expire: when they are deleted, and what that leaves.

use thermocline::{Config, Error, Id, Index, Payload, Quantization, SearchOptions};

use crate::support::{Rng, sound};

const PAST: f64 = 1e12;

fn config() -> Config {
    Config { m: 4, ef_construction: 20, ..Config::new(3) }
}

#[test]
fn a_record_expires_at_its_time_and_not_before() {
    let mut index = Index::new(config()).unwrap();
    let id = index.insert_expiring(&[1.0, 0.0, 0.0], Some(Payload::Json("1")), Some(PAST)).unwrap();
    index.insert_with_id_expiring("later", &[0.0, 1.0, 0.0], None, Some(PAST + 0.5)).unwrap();
    index.upsert_expiring("never", &[0.0, 0.0, 1.0], None, None).unwrap();
    assert_eq!((index.next_expiry_ms(), index.expire(PAST - 1e-3), index.len()), (Some(PAST), 0, 3));
    assert_eq!((index.expire(PAST), index.expire(PAST)), (1, 0), "once");
    assert_eq!((index.get(&id), index.contains(&id), index.len(), index.deleted()), (Ok(None), Ok(false), 2, 1));
    assert_eq!(index.iter().count(), 2);
    let hits = index.search(&[1.0, 0.1, 0.1], SearchOptions::default()).unwrap();
    assert!(hits.len() == 2 && hits.iter().all(|hit| hit.id != id));
    // Its id is free at once, but its number stays used.
    index.insert_with_id(id.clone(), &[1.0, 1.0, 0.0], None).unwrap();
    assert_eq!(index.insert(&[1.0, 1.0, 1.0], None), Ok(Id::Number(1)));
    assert_eq!((index.expire(f64::INFINITY), index.next_expiry_ms(), index.len()), (1, None, 3));
    let report = index.compact().unwrap();
    assert_eq!((report.tombstones_removed, report.new_size), (2, 3));
    sound(&index);
}

#[test]
fn replacing_or_deleting_a_record_removes_its_expiry() {
    let mut index = Index::new(config()).unwrap();
    for id in ["replaced", "prolonged", "deleted"] {
        index.insert_with_id_expiring(id, &[1.0, 2.0, 3.0], None, Some(PAST)).unwrap();
    }
    index.upsert("replaced", &[3.0, 2.0, 1.0], None).unwrap();
    index.upsert_expiring("prolonged", &[3.0, 2.0, 2.0], None, Some(PAST + 9.0)).unwrap();
    let moment = |index: &Index, id: &str| {
        let told = index.get(&id.into()).unwrap().unwrap().expires_ms;
        assert_eq!(index.iter().find(|record| record.id == id.into()).unwrap().expires_ms, told);
        told
    };
    let moments = ["replaced", "prolonged", "deleted"].map(|id| moment(&index, id));
    assert_eq!(moments, [None, Some(PAST + 9.0), Some(PAST)]);
    assert_eq!(moment(&Index::import(&index.export().unwrap()).unwrap(), "prolonged"), Some(PAST + 9.0));
    index.delete(&"deleted".into()).unwrap();
    index.insert_with_id("deleted", &[3.0, 3.0, 3.0], None).unwrap();
    assert_eq!(moment(&index, "deleted"), None);
    assert_eq!((index.expire(PAST), index.next_expiry_ms(), index.len()), (0, Some(PAST + 9.0), 3));
    index.clear().unwrap();
    assert_eq!((index.next_expiry_ms(), index.expire(f64::INFINITY)), (None, 0));
}

#[test]
fn an_expiry_that_is_not_finite_is_refused_and_changes_nothing() {
    let mut index = Index::new(config()).unwrap();
    index.insert_with_id("there", &[1.0, 2.0, 3.0], None).unwrap();
    let before = index.export().unwrap();
    for moment in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refusals = [
            index.insert_expiring(&[1.0, 0.0, 0.0], None, Some(moment)).err(),
            index.insert_with_id_expiring("new", &[1.0, 0.0, 0.0], None, Some(moment)).err(),
            index.upsert_expiring("there", &[1.0, 0.0, 0.0], None, Some(moment)).err(),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Some(Error::InvalidOption { option: "expiresMs", .. })), "{refusal:?}");
        }
    }
    assert!(index.export().unwrap() == before);
}

/// Each record keeps its own expiry when it is moved by compaction, written out and read again.
#[test]
fn each_record_keeps_its_own_expiry() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        let mut index = Index::new(Config { quantization, ..config() }).unwrap();
        let mut rng = Rng(4);
        for number in 0..3000u64 {
            let moment = (number % 3 == 0).then_some(PAST + number as f64);
            index.insert_expiring(&rng.vector(3), None, moment).unwrap();
        }
        for number in (0..3000).filter(|number| number % 5 < 3) {
            assert!(index.delete(&Id::Number(number)).unwrap());
        }
        index.compact().unwrap();
        sound(&index);
        let bytes = index.export().unwrap();
        index = Index::import(&bytes).unwrap();
        assert!(index.export().unwrap() == bytes);
        for number in (0..3000u64).filter(|number| number % 15 == 3 || number % 15 == 9) {
            assert_eq!(index.next_expiry_ms(), Some(PAST + number as f64));
            assert_eq!(index.expire(PAST + number as f64), 1);
            assert!(!index.contains(&Id::Number(number)).unwrap());
        }
        assert_eq!((index.next_expiry_ms(), index.len()), (None, 800));
        sound(&index);
    }
}
