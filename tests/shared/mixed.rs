//! Every kind of change, and compactions in the store, beside a hundred readers: nobody waits forever, and what is left
//! is what a model of it holds.

use super::{DIMENSIONS, READERS, filled, vector};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use thermocline::{Id, MemoryStore, NewRecord, OpenOptions, Payload, SearchOptions, SharedIndex};

/// Longer than this takes on any machine.
const LONG: Duration = Duration::from_secs(120);
/// These records are never changed.
const KEPT: u64 = 1000;
const WRITERS: u64 = 4;
const ROUNDS: u64 = 12;
const COMPACTIONS: usize = 6;

type Shared = SharedIndex<MemoryStore>;
/// What each id must have: the number of its vector, and its payload.
type Model = BTreeMap<u64, (u64, Option<String>)>;

/// Inserts, inserts many, replaces and deletes records whose ids no other writer uses. Returns what is left of them.
fn write(index: &Shared, writer: u64) -> Model {
    let mut model = Model::new();
    let first = 1_000_000 * (writer + 1);
    for round in 0..ROUNDS {
        let from = first + 1000 * round;
        let vectors: Vec<_> = (from..from + 150).map(vector).collect();
        let record = |(number, vector)| {
            let payload = (number % 2 == 0).then_some(Payload::Json("[2]"));
            NewRecord { id: Some(Id::Number(number)), payload, ..NewRecord::new(vector) }
        };
        let vectors = vectors.iter().map(<[f32; DIMENSIONS]>::as_slice);
        let records: Vec<_> = (from..).zip(vectors).map(record).collect();
        let ids = index.insert_many(&records).unwrap();
        assert_eq!(ids.len(), 150);
        model.extend((from..from + 150).map(|number| (number, (number, (number % 2 == 0).then(|| "[2]".to_owned())))));
        assert!(index.insert_many(&records).is_err(), "their ids are in use");
        for number in from + 500..from + 520 {
            index.insert_with_id(number, &vector(number), None).unwrap();
            model.insert(number, (number, None));
        }
        for number in (from..from + 520).step_by(7) {
            let text = format!("\"round {round}\"");
            index.upsert(number, &vector(number + 77), Some(Payload::Json(&text))).unwrap();
            model.insert(number, (number + 77, Some(text)));
        }
        // Also some of earlier rounds, and some that are gone or never were.
        for number in (first..from + 520).step_by(11) {
            assert_eq!(index.delete(&Id::Number(number)).unwrap(), model.remove(&number).is_some(), "{number}");
        }
        index.commit().unwrap();
    }
    model
}

fn assert_holds(index: &Shared, model: &Model) {
    assert_eq!(index.len() as u64, KEPT + model.len() as u64);
    let report = index.read(|index| index.check().unwrap());
    assert!(report.ok, "{:?}", report.problems);
    let kept = (0..KEPT).map(|number| (number, (number, None)));
    for (id, (number, text)) in kept.chain(model.clone()) {
        let found = index.get_stored(&Id::Number(id), |record| {
            assert_eq!(record.vector, vector(number), "{id}");
            assert_eq!(record.payload, text.as_deref().map(Payload::Json), "{id}");
        });
        assert_eq!(found, Ok(Some(())), "{id}");
    }
}

fn everybody_at_once() {
    let place = MemoryStore::with_value_bytes(20_000);
    let index = SharedIndex::create(place.clone(), filled(KEPT)).unwrap();
    let (over, searches, written) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let model: Model = thread::scope(|scope| {
        for reader in 0..READERS as u64 {
            let (index, over, searches) = (&index, &over, &searches);
            scope.spawn(move || {
                let mut number = reader;
                while !over.load(Ordering::Relaxed) {
                    number = (number * 31 + 17) % KEPT;
                    let hits = index.search_stored(&vector(number), SearchOptions::top(10).with_ef(64)).unwrap();
                    assert!(hits.len() == 10 && hits[0].id == Id::Number(number), "{number}: {hits:?}");
                    searches.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(2));
                }
            });
        }
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (index, written) = (&index, &written);
                scope.spawn(move || {
                    let model = write(index, writer);
                    written.fetch_add(1, Ordering::Relaxed);
                    model
                })
            })
            .collect();
        let compactors: Vec<_> = (0..2)
            .map(|_| {
                let (index, written) = (&index, &written);
                scope.spawn(move || {
                    let mut compactions = 0;
                    while compactions < COMPACTIONS || written.load(Ordering::Relaxed) < WRITERS as usize {
                        index.compact_stored(0.5).unwrap();
                        index.checkpoint().unwrap();
                        compactions += 1;
                    }
                })
            })
            .collect();
        let models = writers.into_iter().map(|writer| writer.join().unwrap()).reduce(|mut all, mut one| {
            all.append(&mut one);
            all
        });
        compactors.into_iter().for_each(|compactor| compactor.join().unwrap());
        over.store(true, Ordering::Relaxed);
        models.unwrap()
    });
    assert!(searches.into_inner() > READERS);
    assert_holds(&index, &model);
    index.close().unwrap();
    let again = SharedIndex::open(place, OpenOptions::default()).unwrap();
    again.link().unwrap();
    assert_holds(&again, &model);
}

#[test]
fn a_hundred_readers_all_writers_and_compactions_never_wait_forever() {
    let (told, done) = channel();
    let everybody = thread::spawn(move || {
        everybody_at_once();
        told.send(()).unwrap();
    });
    // A thread that panics sends nothing, and its message is what matters.
    if done.recv_timeout(LONG).is_ok() || everybody.is_finished() {
        return everybody.join().unwrap();
    }
    panic!("not done after {LONG:?}");
}
