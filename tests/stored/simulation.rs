//! Sequences of calls from a seed, each with every call of the store failing in every possible way.
//!
//! `THERMOCLINE_SIMULATION_SEED=n cargo test --test stored simulation` runs a single sequence.

use std::env;

use thermocline::bench_support::{Call, Fault, FaultPlan};
use thermocline::{MemoryStore, StoreError};

use crate::changes::seen;
use crate::model::Model;
use crate::run::Run;
use crate::script::Script;
use crate::support::{Shared, copied};

const SEED: &str = "THERMOCLINE_SIMULATION_SEED";
const SMALL: u64 = 700;
const LARGE: u64 = 20;
/// Seeds of large sequences begin here.
const LARGE_FROM: u64 = 1 << 32;

/// Prints how to reproduce a failure.
struct Place(u64, Option<FaultPlan>);

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat it: {SEED}={}; the fault was {:?}", self.0, self.1);
        }
    }
}

/// Returns the ways in which a call can fail.
fn faults(call: Call, is_large: bool) -> Vec<Fault> {
    match call {
        Call::Append { bytes } => {
            let torn = [0, 1, 8, 23, 24, bytes / 3, bytes / 2 / 8 * 8, bytes - 8, bytes - 1];
            let torn = torn.into_iter().filter(|&at| at < bytes).step_by(if is_large { 3 } else { 1 });
            torn.map(|bytes| Fault::Torn { bytes }).chain([Fault::Before, Fault::After]).collect()
        }
        Call::Commit | Call::Close => vec![Fault::Before, Fault::After],
        Call::Read | Call::List => vec![Fault::Before],
    }
}

/// Returns what a sequence begins with.
fn start(script: &Script) -> (MemoryStore, Model) {
    let place = MemoryStore::with_value_bytes(script.value_bytes);
    if script.before.is_empty() {
        return (place, Model::new());
    }
    let mut run = Run::new(script, place.clone(), Shared::new(&place, None), Model::new(), false);
    assert!(run.ops(&script.before).is_ok());
    (place, run.model)
}

/// Runs a sequence without a fault and then with each. Returns the number of runs.
fn sequence(seed: u64) -> usize {
    let is_large = seed >= LARGE_FROM;
    let script = Script::new(seed, is_large);
    let (place, model) = start(&script);
    let run = |plan: Option<FaultPlan>| {
        let _place = Place(seed, plan.clone());
        let place = copied(&place);
        let store = Shared::new(&place, plan.clone());
        let is_dead_after = plan.is_some_and(|plan| plan.is_dead_after);
        let mut run = Run::new(&script, place, store.clone(), model.clone(), is_dead_after);
        let _ = run.ops(&script.ops);
        run.end();
        store.calls()
    };
    let mut count = 1;
    for (call, kind) in run(None).into_iter().enumerate() {
        for fault in faults(kind, is_large) {
            for is_dead_after in [false, true] {
                let error = StoreError::Failed { why: "as planned".to_owned() };
                run(Some(FaultPlan { call, fault, error, is_dead_after }));
                count += 1;
            }
        }
    }
    count
}

/// Runs a sequence of each seed, and asserts that this is how much happened at least: schedules, changes that a budget
/// left no room for, calls that read cold records, and such calls repeated after a failure.
fn sequences(kind: &str, seeds: std::ops::Range<u64>, least: [usize; 4]) {
    let only = env::var(SEED).ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds: Vec<u64> = seeds.filter(|seed| only.is_none_or(|only| only == *seed)).collect();
    let schedules: usize = seeds.iter().map(|&seed| sequence(seed)).sum();
    let [refused, cold, retried] = seen();
    println!("{} {kind} sequences, {schedules} schedules", seeds.len());
    println!("{refused} changes without room, {cold} calls that read cold records, {retried} of them after a failure");
    let happened = [schedules, refused, cold, retried];
    let is_enough = happened.iter().zip(least).all(|(happened, least)| *happened >= least);
    assert!(only.is_some() || is_enough, "{happened:?} are less than {least:?}");
}

#[test]
fn small_indexes_survive_every_fault() {
    sequences("small", 0..SMALL, [25_000, 20_000, 2000, 50]);
}

#[test]
fn indexes_of_several_segments_survive_every_fault() {
    sequences("large", LARGE_FROM..LARGE_FROM + LARGE, [500, 1000, 40, 1]);
}
