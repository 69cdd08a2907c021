//! Any bytes into `Index::import`. What is accepted must survive every verb.

use thermocline::{Config, Id, Index, Metric, Payload, Quantization, SearchOptions};

use crate::seal::seal;

/// The first byte selects how to interpret the rest: as bytes, as bytes with their checksums corrected, or as edits of
/// a sound index, with checksums corrected.
pub fn run(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else { return };
    match mode % 4 {
        0 => survive(rest),
        1 => {
            let mut bytes = rest.to_vec();
            seal(&mut bytes);
            survive(&bytes);
        }
        _ => {
            let mut bytes = sound(mode >> 2);
            // An edit is a position anywhere in the file and a value to put there.
            for edit in rest.chunks_exact(4) {
                let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
                bytes[at] = if edit[2] % 2 == 0 { edit[3] } else { bytes[at].wrapping_add(edit[3]) };
            }
            seal(&mut bytes);
            survive(&bytes);
        }
    }
}

/// The bytes of a small index with everything in it: tombstones, free slots, string ids, payloads, upper levels.
fn sound(variant: u8) -> Vec<u8> {
    let metric = Metric::ALL[usize::from(variant) % 3];
    let quantization = [Quantization::Int8, Quantization::None, Quantization::Binary][usize::from(variant / 3) % 3];
    let config = Config { metric, quantization, m: 4, ef_construction: 8, ..Config::new(3) };
    let mut index = Index::new(config).unwrap();
    let records = u64::from(variant % 40) + 1;
    for number in 0..records {
        let id = if number % 3 == 0 { Id::from(format!("id {number}").as_str()) } else { Id::from(number) };
        let payload = [None, Some(Payload::Json("{\"a\":1}")), Some(Payload::Bytes(&[1, 2, 3]))][number as usize % 3];
        let vector = [1.0 + number as f32, (number * number % 7) as f32, -2.0];
        index.insert_with_id(id, &vector, payload).unwrap();
    }
    for number in (1..records).step_by(4) {
        index.delete(&Id::from(number)).unwrap();
    }
    if variant % 5 == 0 {
        // A compaction dropped midway leaves free slots behind.
        index.compact_start().unwrap();
        for _ in 0..variant / 8 {
            index.compact_step(1).unwrap();
        }
        index.compact_abort();
    }
    index.export().unwrap()
}

fn survive(bytes: &[u8]) {
    let Ok(mut index) = Index::import(bytes) else { return };
    // Skip what a file may ask for but a run of many inputs has no time for.
    if index.len() + index.deleted() > 4096 || index.config().dimensions > 1024 || index.config().ef > 65_536 {
        return;
    }
    check(&index);
    let again = index.export().unwrap();
    assert_eq!(Index::import(&again).unwrap().export().unwrap(), again);
    let query: Vec<f32> = (0..index.config().dimensions).map(|i| 1.0 + i as f32 % 3.0).collect();
    exercise(&mut index, &query);
    index.compact_start().unwrap();
    while index.compact_step(50).unwrap() {
        search(&index, &query);
        check(&index);
    }
    index.compact_finish().unwrap();
    exercise(&mut index, &query);
    index.clear().expect("an index in memory takes any change");
    assert!(index.is_empty());
    exercise(&mut index, &query);
}

fn exercise(index: &mut Index, query: &[f32]) {
    search(index, query);
    // The file may have used the largest number.
    if let Ok(id) = index.insert(query, Some(Payload::Bytes(b"new"))) {
        assert_eq!(index.get(&id).unwrap().unwrap().vector, query);
    }
    index.upsert("fresh", query, None).unwrap();
    check(index);
    let ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
    for id in ids.iter().step_by(2) {
        assert!(index.delete(id).unwrap());
    }
    assert_eq!(index.len(), ids.len() / 2);
    check(index);
    search(index, query);
}

fn search(index: &Index, query: &[f32]) {
    let hits = index.search(query, SearchOptions::top(7)).unwrap();
    assert_eq!(hits.len(), index.len().min(7));
    for hit in &hits {
        assert!(!hit.distance.is_nan() && index.contains(&hit.id).unwrap());
    }
    let odd = &mut |id: &Id| matches!(id, Id::Number(number) if number % 2 == 1);
    let wanted = index.iter().filter(|record| odd(&record.id)).count();
    let hits = index.search(query, SearchOptions::top(5).with_filter(odd)).unwrap();
    assert_eq!(hits.len(), wanted.min(5));
}

fn check(index: &Index) {
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!((report.live, report.reachable), (index.len(), index.len()));
}
