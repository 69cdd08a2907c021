//! A process killed at random moments: acknowledged changes are kept, and of the rest the first few.
//!
//! The process says what it begins and ends, so the test knows what each kill interrupted. In half of the places the
//! records are long and the values short, so that a checkpoint is several commits and a compaction rewrites blocks.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use thermocline::{
    Config, DirectoryStore, Error, Id, Index, NewRecord, OpenOptions, Payload, Store, StoreOptions, StoredIndex,
    SystemClock,
};

use crate::model::{Model, fingerprint};
use crate::support::{Rng, now};
use crate::watched::{Asked, Watched};

const PLACE: &str = "THERMOCLINE_TEST_STORED_PLACE";
/// Passes the number of the next change.
const NEXT: &str = "THERMOCLINE_TEST_STORED_NEXT";
/// Says that the records are long.
const LONG: &str = "THERMOCLINE_TEST_STORED_LONG";
const PLACES: usize = 4;
const KILLS: usize = 52;
/// More changes than there are between two acknowledgements.
const AHEAD: usize = 60;
/// So many records come in one change, of every so many changes.
const TOGETHER: usize = 8;
const CYCLE: usize = 40;
/// How many acknowledged writes the best-tested peer has lost none of.
const PEER: usize = 10_963;

/// What the records of a place are like.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Records {
    Short,
    Long,
}

impl Records {
    fn dimensions(self) -> usize {
        if self == Self::Long { 64 } else { 4 }
    }

    fn value_bytes(self) -> usize {
        if self == Self::Long { 8000 } else { 4 << 20 }
    }
}

fn open(place: &Path, records: Records, before: impl Fn(Asked<'_>)) -> StoredIndex<impl Store> {
    let config = Config { m: 4, ef_construction: 8, ..Config::new(records.dimensions()) };
    let store = DirectoryStore::open(place, StoreOptions::default()).unwrap();
    let before = move |asked: Asked<'_>| {
        before(asked);
        Ok(())
    };
    let store = Watched::new(store, before).with_value_bytes(records.value_bytes());
    now(StoredIndex::open(store, OpenOptions { config: Some(config), ..Default::default() })).unwrap()
}

enum Change {
    Put(Record),
    /// All or none of these are kept.
    PutTogether(Vec<Record>),
    Delete(Id),
}

struct Record {
    id: Id,
    vector: Vec<f32>,
    payload: Option<Vec<u8>>,
}

impl Record {
    fn new(id: Id, rng: &mut Rng, records: Records) -> Self {
        let vector = rng.vector(records.dimensions());
        let payload = match (&id, records) {
            (_, Records::Long) => Some((0..1000 + rng.below(1000)).map(|_| rng.next() as u8).collect()),
            (Id::Text(text), Records::Short) => Some(text.as_bytes().to_vec()),
            (Id::Number(_), Records::Short) => None,
        };
        Self { id, vector, payload }
    }

    fn payload(&self) -> Option<Payload<'_>> {
        self.payload.as_deref().map(Payload::Bytes)
    }

    fn to_insert(&self) -> NewRecord<'_> {
        NewRecord { id: Some(self.id.clone()), payload: self.payload(), ..NewRecord::new(&self.vector) }
    }

    fn print(&self) -> (Id, u64) {
        (self.id.clone(), fingerprint(&self.id, &self.vector, self.payload()))
    }
}

/// Change number `n`, always the same.
fn change(n: usize, records: Records) -> Change {
    let mut rng = Rng(n as u64);
    let in_batch = |batch: usize, at: usize| Id::from(format!("batch {batch}, {at}").as_str());
    match n % CYCLE {
        0 => Change::PutTogether((0..TOGETHER).map(|at| Record::new(in_batch(n, at), &mut rng, records)).collect()),
        at @ 20..28 => Change::Delete(in_batch(n - at, at - 20)),
        _ => {
            let number = rng.below(400);
            let is_text = number.is_multiple_of(3);
            let id = if is_text { Id::from(format!("id {number}").as_str()) } else { Id::Number(number as u64) };
            if rng.one_in(3) { Change::Delete(id) } else { Change::Put(Record::new(id, &mut rng, records)) }
        }
    }
}

fn make(index: &mut Index, n: usize, records: Records) -> Result<(), Error> {
    match change(n, records) {
        Change::Put(record) => index.upsert(record.id.clone(), &record.vector, record.payload()),
        Change::PutTogether(all) => {
            let all: Vec<NewRecord<'_>> = all.iter().map(Record::to_insert).collect();
            index.insert_many(&all).map(drop)
        }
        Change::Delete(id) => index.delete(&id).map(drop),
    }
}

fn expect(model: &mut Model, n: usize, records: Records) {
    match change(n, records) {
        Change::Put(record) => {
            let (id, print) = record.print();
            model.put(id, print);
        }
        Change::PutTogether(all) => model.put_together(all.iter().map(Record::print)),
        Change::Delete(id) if model.records.contains_key(&id) => model.delete(&id),
        Change::Delete(_) => {}
    }
}

/// What the killed process says, one to a line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Opens,
    Acknowledged(usize),
    Begins(Work),
    /// A batch is about to be given to the store.
    Commits,
    Ends,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    Checkpoint,
    Compaction,
    Erasure,
}

impl Said {
    fn say(self) {
        println!(
            "says {}",
            match self {
                Self::Opens => "opens".to_owned(),
                Self::Acknowledged(next) => next.to_string(),
                Self::Begins(work) => format!("{work:?}"),
                Self::Commits => "commits".to_owned(),
                Self::Ends => "ends".to_owned(),
            }
        );
    }

    /// `None` for what the test harness says.
    fn parse(line: &str) -> Option<Self> {
        Some(match line.split_once("says ")?.1 {
            "opens" => Self::Opens,
            "commits" => Self::Commits,
            "ends" => Self::Ends,
            "Checkpoint" => Self::Begins(Work::Checkpoint),
            "Compaction" => Self::Begins(Work::Compaction),
            "Erasure" => Self::Begins(Work::Erasure),
            number => Self::Acknowledged(number.parse().unwrap()),
        })
    }
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn writer() {
    let Some(place) = env::var_os(PLACE).map(PathBuf::from) else { return };
    let records = if env::var_os(LONG).is_some() { Records::Long } else { Records::Short };
    let mut next: usize = env::var(NEXT).unwrap().parse().unwrap();
    Said::Opens.say();
    let stored = open(&place, records, |asked| {
        if matches!(asked, Asked::Commit(_)) {
            Said::Commits.say();
        }
    });
    Said::Acknowledged(next).say();
    let mut rng = Rng(next as u64 ^ 0xabcd);
    let clock = SystemClock::default();
    loop {
        for _ in 0..=rng.below(if records == Records::Long { 28 } else { 12 }) {
            stored.change(|index| make(index, next, records)).unwrap();
            next += 1;
        }
        let work = match (records, rng.below(20)) {
            (Records::Short, 0..4) | (Records::Long, 0 | 1) => Some(Work::Checkpoint),
            (Records::Short, 4 | 5) | (Records::Long, 2) => {
                now(stored.commit()).unwrap();
                stored.change(Index::compact).unwrap();
                Some(Work::Checkpoint)
            }
            (Records::Short, 6) | (Records::Long, 3 | 4) => Some(Work::Compaction),
            (Records::Long, 5) => Some(Work::Erasure),
            _ => None,
        };
        if let Some(work) = work {
            Said::Begins(work).say();
        }
        match work {
            Some(Work::Checkpoint) => now(stored.checkpoint()).unwrap(),
            Some(Work::Compaction) => drop(now(stored.compact(&clock)).unwrap()),
            Some(Work::Erasure) => drop(now(stored.erase(&clock)).unwrap()),
            None => now(stored.commit()).unwrap(),
        }
        if work.is_some() {
            Said::Ends.say();
        }
        Said::Acknowledged(next).say();
    }
}

/// When the process is killed: some time after it began to open, or after so many acknowledgements and then so many
/// batches given to the store.
#[derive(Clone, Copy, Debug)]
struct Moment {
    acknowledgements: Option<usize>,
    batches: usize,
    after: Duration,
}

impl Moment {
    fn any(rng: &mut Rng, records: Records) -> Self {
        let (most, waits) = if records == Records::Long { (8, rng.one_in(2)) } else { (18, false) };
        Self {
            acknowledgements: (!rng.one_in(12)).then(|| rng.below(most)),
            batches: if waits { 1 + rng.below(5) } else { 0 },
            after: Duration::from_micros(rng.below(3000) as u64),
        }
    }
}

/// What a kill found.
struct Killed {
    /// How many changes were acknowledged.
    upto: usize,
    /// What had begun and not ended, and how many batches it had given to the store.
    inside: Option<(Work, usize)>,
}

/// Runs the writer from change `next` on, and kills it.
fn run_and_kill(place: &Path, records: Records, next: usize, moment: Moment) -> Killed {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["kill::writer", "--exact", "--ignored", "--nocapture"]);
    command.env(PLACE, place).env(NEXT, next.to_string()).stdout(Stdio::piped());
    if records == Records::Long {
        command.env(LONG, "1");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = lines.filter_map(|line| Said::parse(&line));
    let mut killed = Killed { upto: next, inside: None };
    let mut note = |said: Said| match said {
        Said::Acknowledged(upto) => killed.upto = upto,
        Said::Begins(work) => killed.inside = Some((work, 0)),
        Said::Commits => killed.inside = killed.inside.map(|(work, commits)| (work, commits + 1)),
        Said::Ends => killed.inside = None,
        Said::Opens => {}
    };
    let Moment { mut acknowledgements, mut batches, after } = moment;
    loop {
        let found = said.next().unwrap();
        note(found);
        match (found, &mut acknowledgements) {
            (Said::Opens, None) => break,
            (Said::Acknowledged(_), Some(0)) if batches == 0 => break,
            (Said::Acknowledged(_), Some(left)) => *left = left.saturating_sub(1),
            (Said::Commits, Some(0)) if batches == 1 => break,
            (Said::Commits, Some(0)) if batches > 1 => batches -= 1,
            _ => {}
        }
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    said.for_each(note);
    killed
}

/// How many kills interrupted what.
#[derive(Debug, Default)]
struct Counts {
    acknowledged: usize,
    kept_beyond: usize,
    /// A checkpoint, or a compaction or an erasure with its own.
    checkpoints: usize,
    /// Of these, those that had given the store more than one batch since they began.
    of_several_batches: usize,
    compactions: usize,
    erasures: usize,
}

impl Counts {
    fn add(&mut self, inside: Option<(Work, usize)>) {
        let Some((work, commits)) = inside else { return };
        self.checkpoints += 1;
        self.of_several_batches += usize::from(commits > 1);
        match work {
            Work::Checkpoint => {}
            Work::Compaction => self.compactions += 1,
            Work::Erasure => self.erasures += 1,
        }
    }
}

#[test]
fn what_was_acknowledged_outlives_every_kill() {
    let mut rng = Rng(7);
    let mut counts = Counts::default();
    for number in 0..PLACES {
        let records = if number % 2 == 0 { Records::Short } else { Records::Long };
        let place = env::temp_dir().join(format!("thermocline-stored-{}-{number}", std::process::id()));
        let mut model = Model::new();
        let mut next = 0;
        for _ in 0..KILLS {
            let Killed { upto, inside } = run_and_kill(&place, records, next, Moment::any(&mut rng, records));
            (next..upto).for_each(|n| expect(&mut model, n, records));
            model.acknowledge(model.changes());
            counts.acknowledged += upto - next;
            counts.add(inside);
            let stored = open(&place, records, |_| ());
            // How far the writer got beyond the acknowledged changes.
            let mut ahead = model.clone();
            let states: Vec<Model> = (upto..upto + AHEAD)
                .map(|n| {
                    let state = ahead.clone();
                    expect(&mut ahead, n, records);
                    state
                })
                .collect();
            let index = stored.index().unwrap();
            ahead.settle(&index);
            let beyond = states.iter().position(|state| state.records == ahead.records).unwrap();
            counts.kept_beyond += beyond;
            next = upto + beyond;
            model = ahead;
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
    println!("{} kills, {counts:?}", PLACES * KILLS);
    assert!(counts.acknowledged >= PEER, "{counts:?}");
    assert!(counts.checkpoints >= 60 && counts.of_several_batches >= 10, "{counts:?}");
    assert!(counts.compactions >= 15 && counts.erasures >= 3, "{counts:?}");
}
