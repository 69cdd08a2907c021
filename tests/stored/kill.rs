//! A process killed at random moments: acknowledged changes are kept, and of the rest the first few.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use thermocline::{Config, DirectoryStore, Error, Id, Index, OpenOptions, Payload, StoreOptions, StoredIndex};

use crate::model::{Model, fingerprint};
use crate::support::{Rng, now};

const PLACE: &str = "THERMOCLINE_TEST_STORED_PLACE";
/// Passes the number of the next change.
const NEXT: &str = "THERMOCLINE_TEST_STORED_NEXT";
const PLACES: usize = 4;
const KILLS: usize = 52;
const DIMENSIONS: usize = 4;
/// More changes than there are between two acknowledgements.
const AHEAD: usize = 60;

fn open(place: &PathBuf) -> StoredIndex<DirectoryStore> {
    let config = Config { m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) };
    let store = DirectoryStore::open(place, StoreOptions::default()).unwrap();
    now(StoredIndex::open(store, OpenOptions { config: Some(config), ..Default::default() })).unwrap()
}

/// Change number `n`, always the same: an id, and a vector unless the id is to be deleted.
fn change(n: usize) -> (Id, Option<Vec<f32>>) {
    let mut rng = Rng(n as u64);
    let number = rng.below(400);
    let id =
        if number.is_multiple_of(3) { Id::from(format!("id {number}").as_str()) } else { Id::Number(number as u64) };
    (id, (!rng.one_in(3)).then(|| rng.vector(DIMENSIONS)))
}

fn payload(id: &Id) -> Option<Payload<'_>> {
    match id {
        Id::Text(text) => Some(Payload::Bytes(text.as_bytes())),
        Id::Number(_) => None,
    }
}

fn make(index: &mut Index, n: usize) -> Result<(), Error> {
    let (id, vector) = change(n);
    match vector {
        Some(vector) => index.upsert(id.clone(), &vector, payload(&id)),
        None => index.delete(&id).map(drop),
    }
}

fn expect(model: &mut Model, n: usize) {
    let (id, vector) = change(n);
    match vector {
        Some(vector) => {
            let print = fingerprint(&id, &vector, payload(&id));
            model.put(id, print);
        }
        None if model.records.contains_key(&id) => model.delete(&id),
        None => {}
    }
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn writer() {
    let Some(place) = env::var_os(PLACE).map(PathBuf::from) else { return };
    let mut next: usize = env::var(NEXT).unwrap().parse().unwrap();
    let stored = open(&place);
    println!("acknowledged {next}");
    let mut rng = Rng(next as u64 ^ 0xabcd);
    loop {
        for _ in 0..=rng.below(12) {
            stored.change(|index| make(index, next)).unwrap();
            next += 1;
        }
        match rng.below(5) {
            0 => now(stored.checkpoint()).unwrap(),
            1 => {
                now(stored.commit()).unwrap();
                stored.change(Index::compact).unwrap();
                now(stored.checkpoint()).unwrap();
            }
            _ => now(stored.commit()).unwrap(),
        }
        println!("acknowledged {next}");
    }
}

/// Runs the writer from change `next` on, and kills it some time after its changes were acknowledged this many times.
/// Returns how many changes were acknowledged.
fn run_and_kill(place: &PathBuf, next: usize, times: usize, after: Duration) -> usize {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["kill::writer", "--exact", "--ignored", "--nocapture"])
        .env(PLACE, place)
        .env(NEXT, next.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let number = |line: &String| line.split_once("acknowledged ").and_then(|(_, number)| number.parse().ok());
    let first: usize = said.by_ref().filter_map(|line| number(&line)).nth(times).unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    said.filter_map(|line| number(&line)).last().unwrap_or(first)
}

#[test]
fn what_was_acknowledged_outlives_every_kill() {
    let mut rng = Rng(7);
    let (mut acknowledged, mut kept_beyond) = (0, 0);
    for number in 0..PLACES {
        let place = env::temp_dir().join(format!("thermocline-stored-{}-{number}", std::process::id()));
        let mut model = Model::new();
        let mut next = 0;
        for _ in 0..KILLS {
            let upto = run_and_kill(&place, next, rng.below(24), Duration::from_micros(rng.below(3000) as u64));
            (next..upto).for_each(|n| expect(&mut model, n));
            model.acknowledge(model.changes());
            acknowledged += upto - next;
            let stored = open(&place);
            // How far the writer got beyond the acknowledged changes.
            let mut ahead = model.clone();
            let states: Vec<Model> = (upto..upto + AHEAD)
                .map(|n| {
                    let state = ahead.clone();
                    expect(&mut ahead, n);
                    state
                })
                .collect();
            let index = stored.index().unwrap();
            ahead.settle(&index);
            let beyond = states.iter().position(|state| state.records == ahead.records).unwrap();
            kept_beyond += beyond;
            next = upto + beyond;
            model = ahead;
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
    println!("{} kills, {acknowledged} acknowledged changes, {kept_beyond} more were kept", PLACES * KILLS);
    assert!(acknowledged > 10 * PLACES * KILLS, "{acknowledged} changes in {} kills", PLACES * KILLS);
}
