//! A loss of power between any two operations, tried on a model of a medium.
//!
//! Every operation is recorded once. Then what the medium may hold after each is built and opened: any subset of the
//! names made, changed and removed since the last sync of the directory, even later ones without earlier ones; and of
//! the bytes of each file since its own sync none, half or all.

use super::{Content, Directory, READ_ONLY, RELAXED, STRICT, content};
use crate::driver::{OpenOptions, StoredIndex};
use crate::index::{Config, Index};
use crate::native::directory::{DirectoryStore, Folder};
use crate::native::{SystemClock, block_on};
use crate::store::{Batch, Durability, Store, StoreOptions};
use crate::types::Id;
use std::collections::{BTreeMap, BTreeSet};

/// Up to so many late changes and unsynced files all combinations are tried; of more, those in which few or all but few
/// have arrived.
const MOST_LATE: usize = 4;
const MOST_UNSYNCED: usize = 3;

/// What was written to a file, and what of it is certainly on the medium.
#[derive(Clone, Debug, Default)]
struct Written {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

impl Written {
    /// What may be there: of the bytes that were not synced none, half (1) or all (2).
    fn left(&self, halves: usize) -> Vec<u8> {
        match self.bytes.strip_prefix(self.synced.as_slice()) {
            Some(late) => [&self.synced, &late[..late.len() * halves / 2]].concat(),
            // It was emptied and written again.
            None if halves == 0 => self.synced.clone(),
            None => self.bytes[..self.bytes.len() * halves / 2].to_vec(),
        }
    }
}

/// A change of names. A file is known by its number, whatever its name.
#[derive(Clone, Debug)]
enum Change {
    Make(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

type Names = BTreeMap<String, usize>;

fn change(names: &mut Names, change: &Change) {
    match change {
        Change::Make(name, file) => {
            names.insert(name.clone(), *file);
        }
        Change::Rename(from, to, file) => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
        Change::Remove(name) => {
            names.remove(name);
        }
    }
}

/// A directory as it is, and as it is on the medium.
#[derive(Debug, Default)]
struct Medium {
    files: Vec<Written>,
    live: Names,
    kept: Names,
    /// Changes that may not have reached the medium.
    late: Vec<Change>,
}

impl Medium {
    /// Does a step of a [`Folder`].
    fn apply(&mut self, step: &str, bytes: &[u8]) {
        let (what, name) = step.split_once(' ').unwrap();
        if name.starts_with("lock.") {
            return;
        }
        let file = self.live.get(name).copied();
        match (what, file) {
            ("make", _) => {}
            ("sync", _) if name == "." => {
                self.late.drain(..).for_each(|late| change(&mut self.kept, &late));
            }
            ("write", Some(file)) => self.files[file].bytes.clear(),
            ("append", Some(_)) | ("rename" | "remove", None) => {}
            ("write" | "append", None) => {
                self.files.push(Written::default());
                self.change(Change::Make(name.to_owned(), self.files.len() - 1));
            }
            ("fill", Some(file)) => self.files[file].bytes.extend(bytes),
            ("sync", Some(file)) => self.files[file].synced = self.files[file].bytes.clone(),
            ("rename", Some(file)) => {
                let to = name.strip_suffix('~').unwrap();
                self.change(Change::Rename(name.to_owned(), to.to_owned(), file));
            }
            ("remove", Some(_)) => self.change(Change::Remove(name.to_owned())),
            _ => panic!("{step}"),
        }
    }

    fn change(&mut self, late: Change) {
        change(&mut self.live, &late);
        self.late.push(late);
    }

    /// Returns everything that a loss of power may leave: files by their names.
    fn remains(&self) -> BTreeSet<Vec<(String, Vec<u8>)>> {
        let count = self.late.len();
        let few = |chosen: usize| {
            let arrived = chosen.count_ones() as usize;
            count <= MOST_LATE || arrived <= 1 || arrived + 1 >= count
        };
        let mut remains = BTreeSet::new();
        for chosen in (0..1 << count).filter(|&chosen| few(chosen)) {
            let mut names = self.kept.clone();
            let arrived = self.late.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
            arrived.for_each(|(_, late)| change(&mut names, late));
            let unsynced: Vec<usize> =
                names.values().copied().filter(|&file| self.files[file].bytes != self.files[file].synced).collect();
            let each = unsynced.len() <= MOST_UNSYNCED;
            for share in 0..if each { 3_usize.pow(unsynced.len() as u32) } else { 3 } {
                let halves = |file: &usize| match unsynced.iter().position(|other| other == file) {
                    Some(at) if each => share / 3_usize.pow(at as u32) % 3,
                    _ => share.min(2),
                };
                let left = names.iter().map(|(name, file)| (name.clone(), self.files[*file].left(halves(file))));
                remains.insert(left.collect());
            }
        }
        remains
    }
}

/// Steps of a [`Folder`], each with the bytes that it writes.
type Steps = Vec<(String, Vec<u8>)>;

/// What was recorded of some calls: for each its steps, and what must hold until it has ended.
struct Recorded<T> {
    calls: Vec<(Steps, T)>,
}

impl<T> Recorded<T> {
    /// Calls `check` with everything that the medium may hold after each step, and what holds meanwhile. Returns how
    /// many different such places there were.
    fn each(self, mut check: impl FnMut(&Directory, &T, &str)) -> usize {
        let mut medium = Medium::default();
        let mut count = 0;
        for (steps, during) in self.calls {
            let mut tried = BTreeSet::new();
            let mut after = "the call before".to_owned();
            for step in steps.into_iter().map(Some).chain([None]) {
                for left in medium.remains() {
                    if !tried.insert(left.clone()) {
                        continue;
                    }
                    let place = Directory::in_memory();
                    std::fs::create_dir(&place.0).unwrap();
                    left.iter().for_each(|(name, bytes)| std::fs::write(place.0.join(name), bytes).unwrap());
                    check(&place, &during, &format!("after {after}: {:?}", medium.late));
                }
                if let Some((step, bytes)) = step {
                    medium.apply(&step, &bytes);
                    after = step;
                }
            }
            count += tried.len();
        }
        count
    }
}

/// Numbers from a seed.
fn random(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % below
}

enum Call {
    Append(String, Vec<u8>),
    Commit(Batch),
}

/// A random call, and every content that it may leave when it is cut off. The last one is that of the whole call.
fn any_call(state: &mut u64, before: &Content, appends: bool) -> (Call, Vec<Content>) {
    const KEYS: [&str; 5] = ["a", "a/1", "b", "c-3.x", "d"];
    const LOGS: [&str; 3] = ["log/00000000000000000001", "log/00000000000000000002", "log/00000000000000000003"];
    let mut after = before.clone();
    let mut left = vec![before.clone()];
    let bytes = |state: &mut u64| -> Vec<u8> { (0..random(state, 60)).map(|_| random(state, 256) as u8).collect() };
    if appends && random(state, 5) < 2 {
        let (key, added) = (LOGS[random(state, 3)].to_owned(), bytes(state));
        for length in 0..=added.len() {
            after.insert(key.clone(), [before.get(&key).map_or(&[][..], Vec::as_slice), &added[..length]].concat());
            left.push(after.clone());
        }
        return (Call::Append(key, added), left);
    }
    let mut batch = Batch::default();
    for key in KEYS.into_iter().chain(LOGS) {
        match random(state, 6) {
            0 | 1 => batch.puts.push((key.to_owned(), bytes(state))),
            2 => batch.deletes.push(key.to_owned()),
            _ => {}
        }
    }
    batch.deletes.iter().for_each(|key| drop(after.remove(key)));
    after.extend(batch.puts.clone());
    left.push(after);
    (Call::Commit(batch), left)
}

/// Makes random calls. After each loss of power a reader and a writer find what all calls that had ended left, and of
/// the call under way everything, nothing or, of an append, the first bytes.
fn prove_store(options: StoreOptions, seed: u64, calls: usize) -> usize {
    let place = Directory::new();
    let folder = Folder::new(&place.0);
    let store = DirectoryStore::open_folder(folder, options).unwrap();
    let (mut state, mut now, mut recorded) = (seed, Content::new(), Vec::new());
    recorded.push((store.folder.watch.take_with_bytes(), vec![now.clone()]));
    for _ in 0..calls {
        let (call, left) = any_call(&mut state, &now, options.durability == Durability::Strict);
        block_on(async {
            match call {
                Call::Append(key, bytes) => store.append(&key, &bytes).await,
                Call::Commit(batch) => store.commit(batch).await,
            }
        })
        .unwrap();
        now = left.last().unwrap().clone();
        recorded.push((store.folder.watch.take_with_bytes(), left));
    }
    recorded.push((Vec::new(), vec![now]));
    let mut writes = 0;
    Recorded { calls: recorded }.each(|place, left, when| {
        let found = place.content();
        assert!(left.contains(&found), "{when}: {found:?} is none of {left:?}");
        writes += 1;
        if writes % 4 == 0 {
            assert_eq!(content(&place.open(options)), found, "{when}: a writer finds the same");
            assert_eq!(place.content(), found, "{when}: it is still there");
        }
    })
}

#[test]
fn what_a_strict_store_has_said_outlives_a_loss_of_power() {
    let places = prove_store(STRICT, 7, 20);
    assert!(places > 300, "{places} places");
}

#[test]
fn what_a_relaxed_store_has_committed_outlives_a_loss_of_power() {
    let places = prove_store(RELAXED, 8, 16);
    assert!(places > 200, "{places} places");
}

/// The vectors of an index by their ids.
type Vectors = BTreeMap<Id, Vec<u32>>;

fn vectors(index: &Index) -> Vectors {
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    index.iter().map(|it| (it.id.clone(), it.vector.iter().map(|x| x.to_bits()).collect())).collect()
}

fn open(store: DirectoryStore) -> StoredIndex<DirectoryStore> {
    let config = Config { m: 4, ef_construction: 8, ..Config::new(3) };
    block_on(StoredIndex::open(store, OpenOptions { config: Some(config), ..Default::default() })).unwrap()
}

/// Changes an index and its store in every way, and opens it again now and then. After each loss of power it holds all
/// changes that must be there, and of the later ones the first few.
fn prove_index(options: StoreOptions, seed: u64) -> usize {
    let place = Directory::new();
    let (mut state, mut recorded) = (seed, Vec::new());
    // All states so far, and how many of them are in the past of any that may be found.
    let (mut states, mut sure) = (vec![Vectors::new()], 0);
    let clock = SystemClock::default();
    for round in 0..4 {
        let store = DirectoryStore::open_folder(Folder::new(&place.0), options).unwrap();
        let watch = store.folder.watch.clone();
        let stored = open(store);
        assert_eq!(vectors(&stored.index().unwrap()), *states.last().unwrap());
        recorded.push((watch.take_with_bytes(), (round > 0, states[sure..].to_vec())));
        for _ in 0..6 {
            for _ in 0..=random(&mut state, 3) {
                let id = Id::Number(random(&mut state, 8) as u64);
                let vector: Vec<f32> = (0..3).map(|_| 1.0 + random(&mut state, 99) as f32).collect();
                if random(&mut state, 3) == 0 {
                    stored.change(|index| index.delete(&id)).unwrap();
                } else {
                    stored.change(|index| index.upsert(id.clone(), &vector, None)).unwrap();
                }
                states.push(vectors(&stored.index().unwrap()));
            }
            let kind = random(&mut state, 8);
            match kind {
                0 => block_on(stored.checkpoint()).unwrap(),
                1 => drop(block_on(stored.compact(&clock)).unwrap()),
                2 => drop(block_on(stored.erase(&clock)).unwrap()),
                _ => block_on(stored.commit()).unwrap(),
            }
            recorded.push((watch.take_with_bytes(), (true, states[sure..].to_vec())));
            // A compaction that finds nothing to do writes no checkpoint.
            if matches!(kind, 0 | 2) || options.durability == Durability::Strict {
                sure = states.len() - 1;
            }
        }
        // An index that is dropped has not waited for anything, like one whose process was killed.
    }
    recorded.push((Vec::new(), (true, states[sure..].to_vec())));
    let mut opened = 0;
    Recorded { calls: recorded }.each(|place, (is_made, states), when| {
        let reading = OpenOptions { mode: READ_ONLY.mode, ..Default::default() };
        let found = match block_on(StoredIndex::open(place.open(READ_ONLY), reading)) {
            Ok(stored) => vectors(&stored.index().unwrap()),
            Err(error) if !is_made => return assert_eq!(error.code(), "NOT_FOUND", "{when}"),
            Err(error) => panic!("{when}: {error}"),
        };
        assert!(states.contains(&found), "{when}: {found:?} is none of {states:?}");
        opened += 1;
        if opened % 4 == 0 {
            let stored = open(place.open(options));
            assert_eq!(vectors(&stored.index().unwrap()), found, "{when}: a writer finds the same");
            block_on(stored.checkpoint()).unwrap();
        }
    })
}

#[test]
fn an_index_in_a_strict_store_outlives_a_loss_of_power() {
    let places = prove_index(STRICT, 1);
    assert!(places > 300, "{places} places");
}

/// A loss of power may take the latest changes, but no checkpoint, and no change without all later ones.
#[test]
fn an_index_in_a_relaxed_store_loses_its_latest_changes_at_most() {
    let places = prove_index(RELAXED, 2);
    assert!(places > 300, "{places} places");
}
