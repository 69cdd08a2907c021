//! One writer at a time, and none that no longer exists.

use std::fs;
use std::io::{BufRead, BufReader};

use thermocline::{Config, DirectoryStore, Error, Index, OpenOptions, Store, StoreError, StoredIndex, block_on};

use crate::support::{Elsewhere, Place, READ_ONLY, RELAXED, batch, content, given_place};

/// A key that an index uses: other keys are not removed with it.
const LOG: &str = "log/00000000000000000001";

fn locked_by(opened: Result<DirectoryStore, StoreError>) -> String {
    match opened {
        Err(StoreError::Locked { by }) => by,
        other => panic!("expected that it is owned, received {other:?}"),
    }
}

fn locks(place: &Place) -> Vec<String> {
    place.names().into_iter().filter(|name| name.starts_with("lock.")).collect()
}

#[test]
fn a_second_writer_of_the_same_process_is_refused() {
    let place = Place::new();
    let first = place.open(RELAXED).unwrap();
    let lock = locks(&place);
    assert_eq!(lock.len(), 1);
    let by = locked_by(place.open(RELAXED));
    assert!(by.contains(&std::process::id().to_string()) && by.contains(&lock[0]) && by.contains("remove"), "{by}");
    assert_eq!(locks(&place), lock, "who is refused leaves nothing behind");
    block_on(first.append("a", b"x")).unwrap();

    block_on(first.close()).unwrap();
    assert!(locks(&place).is_empty());
    assert!(block_on(first.append("a", b"x")).is_err() && block_on(first.commit(batch(&[], &["a"]))).is_err());
    let second = place.open(RELAXED).unwrap();
    drop(first);
    assert_eq!(locks(&place).len(), 1, "who has closed removes nobody's lock");
    drop(second);
    assert!(locks(&place).is_empty(), "dropping is closing");
}

#[test]
fn a_reader_is_beside_a_writer() {
    let place = Place::new();
    let writer = place.open(RELAXED).unwrap();
    let readers = [place.open(READ_ONLY).unwrap(), place.open(READ_ONLY).unwrap()];
    for number in 0..5_u8 {
        block_on(writer.append("log", &[number])).unwrap();
        block_on(writer.commit(batch(&[("a", &[number]), ("b", &[number])], &["c"]))).unwrap();
        for reader in &readers {
            assert_eq!(content(reader), content(&writer));
        }
    }
    assert_eq!(locks(&place).len(), 1);
    block_on(writer.close()).unwrap();
    assert!(content(&readers[0]).contains_key("log"));
}

/// Whenever a reader looks, a value is whole. Long values would show it if a staged file could be read.
#[test]
fn a_reader_beside_a_busy_writer_sees_whole_values() {
    let place = Place::new();
    let writer = place.open(RELAXED).unwrap();
    let value = |number: u8| vec![number; 300_000 + usize::from(number)];
    block_on(writer.commit(batch(&[("a", &value(0)), ("b", &value(0))], &[]))).unwrap();
    let reader = place.open(READ_ONLY).unwrap();
    let keys = ["a", "b", "c"].map(String::from);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 1..=60 {
                let deletes: &[&str] = if number % 2 == 0 { &["c"] } else { &[] };
                let value = value(number);
                let mut puts: Vec<(&str, &[u8])> = vec![("a", &value), ("b", &value)];
                if number % 2 == 1 {
                    puts.push(("c", &value));
                }
                block_on(writer.commit(batch(&puts, deletes))).unwrap();
            }
        });
        let mut newest = 0;
        while !writing.is_finished() {
            let values = block_on(reader.read(&keys)).unwrap();
            for found in values.iter().flatten() {
                assert!(*found == value(found[0]), "{} bytes that begin with {}", found.len(), found[0]);
            }
            let a = values[0].as_ref().expect("it is never deleted")[0];
            assert!(a >= newest, "{a} after {newest}");
            newest = a;
        }
    });
    assert_eq!(block_on(reader.read(&keys)).unwrap(), [Some(value(60)), Some(value(60)), None]);
}

#[test]
fn of_many_simultaneous_openers_at_most_one_gets_the_lock() {
    let place = Place::new();
    let mut ever = 0;
    for _ in 0..20 {
        let opened: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| place.open(RELAXED))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let owners = opened.iter().filter(|opened| opened.is_ok()).count();
        assert!(owners <= 1, "{owners} owners");
        for refused in opened.into_iter().filter(|opened| opened.is_err()) {
            locked_by(refused);
        }
        ever += owners;
        assert!(locks(&place).is_empty());
    }
    assert!(ever > 0, "nobody ever got it");
}

/// Owns the place until it is killed. The tests below run this in a process of its own.
#[test]
#[ignore = "another test runs it, in a process of its own"]
fn owner() {
    let Some(path) = given_place() else { return };
    let store = DirectoryStore::open(path, RELAXED).unwrap();
    block_on(store.append(LOG, b"written before the end")).unwrap();
    println!("\nowner is ready");
    loop {
        std::thread::park();
    }
}

fn start_owner(place: &Place) -> Elsewhere {
    let mut child = Elsewhere::run("lock::owner", place);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "owner is ready"));
    child
}

#[test]
fn a_live_owner_is_respected_and_a_killed_one_is_not() {
    let place = Place::new();
    for round in 1..=2 {
        let mut child = start_owner(&place);
        let by = locked_by(place.open(RELAXED));
        assert!(by.contains(&child.0.id().to_string()), "{by}");
        assert!(matches!(DirectoryStore::destroy(&place.0), Err(StoreError::Locked { .. })));
        child.kill();
        assert_eq!(locks(&place).len(), 1, "a killed owner leaves its file");
        let store = place.open(RELAXED).unwrap();
        assert_eq!(locks(&place).len(), 1, "and now there is another's");
        assert_eq!(content(&store)[LOG], b"written before the end".repeat(round));
    }
    // Nobody has asked for this process's exit status yet, so the system still keeps its id.
    let mut last = start_owner(&place);
    last.0.kill().unwrap();
    let is_gone = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        DirectoryStore::destroy(&place.0).is_ok()
    });
    assert!(is_gone && !place.0.exists());
}

#[test]
fn a_lock_file_of_an_unknown_owner_is_respected_until_it_is_removed() {
    for name in ["lock.another-machine.1.1.0badcafe", "lock.by-hand", "lock."] {
        let place = Place::new();
        drop(place.open(RELAXED).unwrap());
        fs::write(place.0.join(name), "").unwrap();
        let by = locked_by(place.open(RELAXED));
        assert!(by.contains(name), "{by}");
        assert_eq!(place.names(), [name]);
        fs::remove_file(place.0.join(name)).unwrap();
        place.open(RELAXED).unwrap();
    }
}

/// As in another container with the same host name: the owner's process cannot be seen from here, but it lives.
#[test]
fn an_owner_whose_process_cannot_be_seen_is_respected_while_it_lives() {
    let place = Place::new();
    let store = place.open(RELAXED).unwrap();
    let own = locks(&place).remove(0);
    let pid = format!(".{}.", std::process::id());
    block_on(store.close()).unwrap();
    let unseen = place.0.join(own.replace(&pid, ".999999999."));
    let file = fs::File::create(&unseen).unwrap();
    file.lock().unwrap();
    for _ in 0..2 {
        let by = locked_by(place.open(RELAXED));
        assert!(by.contains("999999999"), "{by}");
        assert!(unseen.exists());
    }
    drop(file);
    let store = place.open(RELAXED).unwrap();
    assert!(!unseen.exists() && locks(&place).len() == 1);
    drop(store);
}

/// Otherwise it would accept changes in memory, and the first commit would fail permanently.
#[test]
fn an_index_in_a_place_that_is_read_only_takes_no_changes() {
    let place = Place::new();
    let open = |store, config| {
        let options = OpenOptions { config, ..OpenOptions::default() };
        block_on(StoredIndex::open(place.open(store).unwrap(), options))
    };
    let missing = place.open(READ_ONLY).unwrap_err();
    let names_it = |what: &str| what.ends_with(&*place.0.to_string_lossy());
    assert!(matches!(&missing, StoreError::NotFound { what } if names_it(what)), "{missing:?}");
    assert_eq!(Error::from(missing).code(), "NOT_FOUND");
    assert!(!place.0.exists(), "nothing is made there");
    std::fs::create_dir(&place.0).unwrap();
    assert!(matches!(open(READ_ONLY, Some(Config::new(3))), Err(Error::NotFound { .. })));
    assert!(place.names().is_empty(), "nothing is made there");

    let stored = open(RELAXED, Some(Config::new(3))).unwrap();
    stored.change(|index| index.insert_with_id("a", &[1.0; 3], None)).unwrap();
    block_on(stored.close()).unwrap();
    let before = content(&place.open(READ_ONLY).unwrap());
    let reader = open(READ_ONLY, None).unwrap();
    assert!(reader.index().unwrap().is_read_only() && reader.index().unwrap().contains(&"a".into()).unwrap());
    assert_eq!(reader.change(|index| index.insert(&[1.0; 3], None)), Err(Error::ReadOnly));
    assert_eq!(block_on(reader.commit()), Ok(()), "there is nothing to commit");
    // The place admits only one opening for writing.
    let writer = open(RELAXED, None).unwrap();
    assert!(!writer.index().unwrap().is_read_only());
    assert_eq!(content(&place.open(READ_ONLY).unwrap()), before);

    let fresh = Place::new();
    drop(fresh.open(RELAXED).unwrap());
    let index = Index::new(Config::new(3)).unwrap();
    assert_eq!(block_on(StoredIndex::create(fresh.open(READ_ONLY).unwrap(), index)).err(), Some(Error::ReadOnly));
}

/// If nothing can be seen, something may still be there: do not report it as destroyed.
#[test]
fn a_place_that_cannot_be_looked_at_is_not_destroyed() {
    let place = Place::new();
    let longer_than_a_name = place.0.with_file_name("a".repeat(300));
    let refused = DirectoryStore::destroy(longer_than_a_name).unwrap_err();
    assert!(refused.to_string().contains("looking at"), "{refused}");
}

#[test]
fn what_is_destroyed_is_gone_and_may_come_again() {
    let place = Place::new();
    DirectoryStore::destroy(&place.0).unwrap();
    let store = place.open(RELAXED).unwrap();
    block_on(store.commit(batch(&[("m/00000000000000000001", b"x"), ("b/0000000001.0000000000", b"")], &[]))).unwrap();
    block_on(store.append(LOG, b"x")).unwrap();
    block_on(store.close()).unwrap();
    DirectoryStore::destroy(&place.0).unwrap();
    assert!(!place.0.exists());
    assert!(content(&place.open(RELAXED).unwrap()).is_empty());
}
