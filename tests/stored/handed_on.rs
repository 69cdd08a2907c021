//! One index that is handed on: written here, changed in Node, changed in a browser, and read here again. Each side
//! knows by a rule which records must exist. The rule is written a second time in `pkg/test/handed-on/rows.mjs`, beside
//! the other sides' part; `cargo xtask test` runs all of them in turn.

use std::path::PathBuf;

use thermocline::{
    Config, DirectoryStore, Durability, Id, Index, Mode, OpenOptions, Payload, SearchOptions, StoreOptions,
    StoredIndex, block_on,
};

const DIMENSIONS: usize = 24;
/// Each side in turn writes rows up to this number, and deletes all rows so far whose number ends with this digit.
const HANDS: [(&str, usize, usize); 3] = [("native", 300, 9), ("Node", 400, 8), ("browser", 500, 7)];

fn folder() -> PathBuf {
    std::env::var_os("THERMOCLINE_HANDED_ON").expect("THERMOCLINE_HANDED_ON names the folder").into()
}

fn vector(row: usize) -> Vec<f32> {
    let part = |at: usize| (row * 31 + at * 17 + row * at % 13) % 101;
    (0..DIMENSIONS).map(|at| (part(at) as f64 / 101.0 - 0.5) as f32).collect()
}

fn id(row: usize) -> Id {
    if row.is_multiple_of(3) { Id::from(&*format!("row {row} é")) } else { Id::Number(row as u64) }
}

/// Returns the kind of payload and its bytes.
fn payload(row: usize) -> Option<(bool, Vec<u8>)> {
    let by = HANDS.iter().find(|(_, up_to, _)| row < *up_to).unwrap().0;
    match row % 4 {
        0 => None,
        1 => Some((false, (0..row % 50).map(|at| ((row + at) % 256) as u8).collect())),
        _ => Some((true, format!(r#"{{"row":{row},"by":"{by}"}}"#).into_bytes())),
    }
}

fn is_live(row: usize, hands: usize) -> bool {
    HANDS[..hands].iter().any(|(_, up_to, _)| row < *up_to)
        && !HANDS[..hands].iter().any(|(_, up_to, digit)| row < *up_to && row % 10 == *digit)
}

/// Asserts that the index holds what it must after this many sides.
fn verify(index: &Index, hands: usize) {
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let rows = HANDS[hands - 1].1;
    assert_eq!(index.len(), (0..rows).filter(|row| is_live(*row, hands)).count());
    for row in 0..rows {
        let record = index.get(&id(row)).unwrap();
        assert_eq!(record.is_some(), is_live(row, hands), "row {row}");
        let Some(record) = record else { continue };
        assert_eq!(record.vector, vector(row), "row {row}");
        match (record.payload, payload(row)) {
            (None, None) => {}
            (Some(Payload::Bytes(found)), Some((false, bytes))) => assert_eq!(found, bytes, "row {row}"),
            (Some(Payload::Json(found)), Some((true, text))) => assert_eq!(found.as_bytes(), text, "row {row}"),
            other => panic!("row {row}: {other:?}"),
        }
        let nearest = index.search(&vector(row), SearchOptions::top(1).with_ef(200)).unwrap();
        assert_eq!(nearest[0].id, id(row));
    }
}

/// Asserts that a mapped file and an import of its bytes hold the same records in the same order, and find the same.
#[cfg(feature = "mmap")]
fn assert_same(mapped: &Index, imported: &Index) {
    assert!(mapped.ids().eq(imported.ids()));
    for id in imported.ids() {
        let [one, other] = [mapped, imported].map(|index| index.get(&id).unwrap().unwrap());
        assert_eq!(
            (one.vector, one.payload, one.expires_ms),
            (other.vector, other.payload, other.expires_ms),
            "{id:?}"
        );
    }
    for row in 0..HANDS[HANDS.len() - 1].1 {
        for ef in [10, 200] {
            let [one, other] =
                [mapped, imported].map(|index| index.search(&vector(row), SearchOptions::top(10).with_ef(ef)).unwrap());
            assert_eq!(one, other, "row {row}, ef {ef}");
        }
    }
}

fn open(name: &str) -> DirectoryStore {
    let options = StoreOptions { durability: Durability::Relaxed, mode: Mode::ReadWrite };
    DirectoryStore::open(folder().join(name), options).unwrap()
}

#[test]
#[ignore = "one of several hands; cargo xtask test calls them in turn"]
fn begins() {
    let options = OpenOptions { config: Some(Config::new(DIMENSIONS)), ..Default::default() };
    let stored = block_on(StoredIndex::open(open("native"), options)).unwrap();
    let (_, rows, digit) = HANDS[0];
    for row in 0..rows {
        // Half of it is in a checkpoint and half in the log.
        if row == rows / 2 {
            block_on(stored.commit()).unwrap();
            block_on(stored.checkpoint()).unwrap();
        }
        let given = payload(row);
        let payload = given.as_ref().map(|(is_json, bytes)| {
            if *is_json { Payload::Json(str::from_utf8(bytes).unwrap()) } else { Payload::Bytes(bytes) }
        });
        stored.change(|index| index.insert_with_id(id(row), &vector(row), payload)).unwrap();
    }
    for row in (0..rows).filter(|row| row % 10 == digit) {
        assert!(stored.change(|index| index.delete(&id(row))).unwrap());
    }
    block_on(stored.commit()).unwrap();
    verify(&stored.index().unwrap(), 1);
    block_on(stored.close()).unwrap();
}

#[test]
#[ignore = "one of several hands; cargo xtask test calls them in turn"]
fn ends() {
    let exported = folder().join("browser.export");
    let index = Index::import(&std::fs::read(&exported).unwrap()).unwrap();
    verify(&index, HANDS.len());
    #[cfg(feature = "mmap")]
    {
        let mapped = Index::map_file(&exported).unwrap();
        verify(&mapped, HANDS.len());
        assert_same(&mapped, &index);
    }
    block_on(block_on(StoredIndex::create(open("again"), index)).unwrap().close()).unwrap();
    let again = block_on(StoredIndex::open(open("again"), OpenOptions::default())).unwrap();
    verify(&again.index().unwrap(), HANDS.len());
}
