//! What is written for a change, counted in bytes, and that nothing is left behind.

use std::cell::{Cell, RefCell};

use thermocline::{Config, Index, MemoryStore, OpenOptions, Store, StoredIndex};

use crate::layout::{manifests, orphans};
use crate::support::{Rng, content, now, put};
use crate::watched::{Asked, Watched};

const DIMENSIONS: usize = 32;
const COUNT: usize = 10_000;

/// Counts the bytes written and notes their keys.
#[derive(Debug, Default)]
struct Written {
    bytes: Cell<usize>,
    keys: RefCell<Vec<String>>,
}

impl Written {
    fn counting(&self, place: MemoryStore) -> impl Store {
        Watched::new(place, |asked| {
            match asked {
                Asked::Commit(batch) => batch.puts.iter().for_each(|(key, bytes)| self.note(key, bytes)),
                Asked::Append(key, bytes) => self.note(key, bytes),
                Asked::Read(_) => {}
            }
            Ok(())
        })
    }

    fn note(&self, key: &str, bytes: &[u8]) {
        self.bytes.set(self.bytes.get() + bytes.len());
        self.keys.borrow_mut().push(key.to_owned());
    }

    /// Returns bytes and keys since the last call.
    fn since(&self) -> (usize, Vec<String>) {
        (self.bytes.take(), self.keys.take())
    }
}

fn options() -> OpenOptions {
    let config = Config { m: 8, ef_construction: 16, ..Config::new(DIMENSIONS) };
    OpenOptions { config: Some(config), ..Default::default() }
}

fn insert(stored: &StoredIndex<impl Store>, rng: &mut Rng, count: usize) {
    for _ in 0..count {
        stored.change(|index| index.insert(&rng.vector(DIMENSIONS), None)).unwrap();
    }
}

#[test]
fn a_save_costs_what_changed() {
    let (place, written) = (MemoryStore::default(), Written::default());
    let mut rng = Rng(5);
    let stored = now(StoredIndex::open(written.counting(place.clone()), options())).unwrap();
    insert(&stored, &mut rng, COUNT);
    now(stored.checkpoint()).unwrap();
    written.since();

    insert(&stored, &mut rng, 1);
    now(stored.commit()).unwrap();
    let (bytes, keys) = written.since();
    assert!(bytes < 8 << 10 && keys.len() == 1 && keys[0].starts_with("log/"), "{bytes} bytes in {keys:?}");
    assert!(bytes < 8 * DIMENSIONS, "{bytes} bytes for one record");

    now(stored.commit()).unwrap();
    assert_eq!(written.since(), (0, Vec::new()), "nothing has changed");

    now(stored.checkpoint()).unwrap();
    written.since();
    now(stored.checkpoint()).unwrap();
    let (bytes, keys) = written.since();
    assert!(keys.len() == 1 && keys[0].starts_with("m/") && bytes < 4 << 10, "{bytes} bytes in {keys:?}");

    let ids: Vec<_> = stored.index().unwrap().iter().map(|record| record.id).step_by(9).collect();
    for id in &ids {
        assert!(stored.change(|index| index.delete(id)).unwrap());
    }
    now(stored.checkpoint()).unwrap();
    let (_, keys) = written.since();
    assert!(
        keys.iter().all(|key| ["s/i/", "s/p/", "m/", "log/"].iter().any(|start| key.starts_with(start))),
        "{keys:?}"
    );
}

/// New records lie in slots of their own segment; elsewhere they change only links.
#[test]
fn a_checkpoint_after_a_few_inserts_leaves_most_as_it_is() {
    let (place, written) = (MemoryStore::default(), Written::default());
    let mut rng = Rng(6);
    let stored = now(StoredIndex::open(written.counting(place.clone()), options())).unwrap();
    insert(&stored, &mut rng, COUNT);
    now(stored.checkpoint()).unwrap();
    written.since();
    insert(&stored, &mut rng, COUNT / 100);
    now(stored.commit()).unwrap();
    written.since();
    now(stored.checkpoint()).unwrap();
    let (bytes, _) = written.since();
    let newest = manifests(&content(&place)).remove(0).1;
    let all = (newest.segment_bytes() + newest.block_bytes()) as usize;
    assert!(3 * bytes < all, "{bytes} of {all}");
}

#[test]
fn the_store_holds_what_the_index_needs() {
    let place = MemoryStore::with_value_bytes(20_000);
    let mut rng = Rng(8);
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    insert(&stored, &mut rng, 3000);
    now(stored.checkpoint()).unwrap();
    for number in 0..2500_u64 {
        assert!(stored.change(|index| index.delete(&number.into())).unwrap());
    }
    now(stored.commit()).unwrap();
    stored.change(Index::compact).unwrap();
    assert!(stored.checkpoint_due().unwrap());
    for _ in 0..2 {
        now(stored.checkpoint()).unwrap();
        assert!(!stored.checkpoint_due().unwrap());
    }
    let holds = |manifests_kept: usize| {
        let found = content(&place);
        let known = manifests(&found);
        assert_eq!((known.len(), orphans(&place)), (manifests_kept, Vec::new()));
        // Nothing changed between the two, so both name the same values.
        let needed: u64 = known[0].1.segment_bytes() + known[0].1.block_bytes();
        let beside = found.iter().filter(|(key, _)| !key.starts_with("s/") && !key.starts_with("b/"));
        let held: usize = found.values().map(Vec::len).sum();
        assert_eq!(held as u64, needed + beside.map(|(_, value)| value.len() as u64).sum::<u64>());
        let stats = stored.index().unwrap().stats().stored;
        assert_eq!(stats.segments + stats.cold, needed);
        held
    };
    let held = holds(2);
    assert!(held < 500 * (4 * DIMENSIONS + 2 * 128 + 64 + 100) + 20_000, "{held} bytes for 500 records");

    // As if left by a checkpoint that was cut off.
    for piece in 0..3 {
        put(&place, &format!("s/c/0000000000.00000000000000000077.000000000{piece}"), vec![1; 5000]);
    }
    put(&place, "b/0000009999.0000000000", vec![1; 5000]);
    put(&place, "log/00000000000000000000", vec![1; 500]);
    drop(stored);
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    for _ in 0..2 {
        now(stored.checkpoint()).unwrap();
    }
    let found = content(&place);
    assert!(orphans(&place).is_empty() && !found.contains_key("log/00000000000000000000"));
    assert!(found.values().map(Vec::len).sum::<usize>() <= held + 64);
}

/// Each session that changes something begins a log, and each commit may be a value of its own. There was a limit to
/// their bytes only, so 800 short sessions left 801 files.
#[test]
fn neither_logs_nor_commits_become_many() {
    let place = MemoryStore::default();
    let mut rng = Rng(6);
    let logs = || content(&place).keys().filter(|key| key.starts_with("log/")).count();
    for session in 0..300 {
        let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
        insert(&stored, &mut rng, 1);
        now(stored.commit()).unwrap();
        now(stored.close()).unwrap();
        // Those of the newest checkpoint, and of the one before.
        assert!(logs() <= 132, "{} logs after {session} sessions", logs());
    }
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    let mut commits = 0;
    while !stored.checkpoint_due().unwrap() {
        let id = stored.change(|index| index.insert(&rng.vector(DIMENSIONS), None)).unwrap();
        stored.change(|index| index.delete(&id)).unwrap();
        now(stored.commit()).unwrap();
        commits += 1;
    }
    assert!((100..2100).contains(&commits), "{commits} commits");
    now(stored.checkpoint()).unwrap();
    assert!(!stored.checkpoint_due().unwrap());
    assert_eq!(stored.index().unwrap().len(), 300);
}
