//! The memory of the process as the system sees it: memory that an index frees is returned to the system, whatever else
//! the program has allocated, memory that the system refuses is an error, and a mapped file is searched where it is.
//!
//! Each test that measures runs in a process of its own, because others in the same process would count too.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use thermocline::{
    Config, DirectoryStore, Durability, Error, Id, Index, OpenOptions, Payload, SearchOptions, StoreOptions,
    StoredIndex, block_on,
};

const RECORDS: usize = 10_000;
const DIMENSIONS: usize = 16;
const PAYLOAD_BYTES: usize = 3000;
/// The least part of those payloads that must go when nine in ten records, or all, are freed.
const LEAST_GONE_BYTES: usize = RECORDS * PAYLOAD_BYTES * 3 / 4;

/// Runs a test of this program in a process of its own, limited to this many kilobytes of address space.
fn alone(test: &str, kilobytes: &str) {
    let most = Command::new("sh").args(["-c", "ulimit -H -v"]).output().unwrap().stdout;
    let most = String::from_utf8(most).unwrap();
    if kilobytes == "unlimited" && most.trim() != kilobytes {
        // Raising the limit takes privileges, and how much address space the measurement needs depends on the
        // allocator. Written directly to standard error, where the test's output is not captured.
        let why = format!("{test} is skipped: this process may have {} kilobytes of addresses\n", most.trim());
        return std::io::stderr().write_all(why.as_bytes()).unwrap();
    }
    let program = std::env::current_exe().unwrap();
    let script = format!("ulimit -v {kilobytes} && exec \"$0\" {test} --exact --ignored --nocapture");
    let done = Command::new("sh").args(["-c", &script]).arg(program).output().unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && printed.contains("1 passed"),
        "{printed}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Returns how many bytes of the process are in memory.
fn resident_bytes() -> usize {
    status_bytes("VmRSS:")
}

/// Returns a number of bytes from what the system tells of the process.
fn status_bytes(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    1024 * line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap()
}

fn vector<const N: usize>(number: usize) -> [f32; N] {
    std::array::from_fn(|at| (number * 31 + at * 17 + 7).wrapping_mul(2_654_435_761) as u32 as f32 / 2e9 - 1.0)
}

fn insert(index: &mut Index, number: usize) -> Result<bool, Error> {
    let payload = [number as u8; PAYLOAD_BYTES];
    index.insert_with_id(number as u64, &vector::<DIMENSIONS>(number), Some(Payload::Bytes(&payload))).map(|_| true)
}

fn empty() -> Index {
    Index::new(Config { m: 4, ef_construction: 10, ..Config::new(DIMENSIONS) }).unwrap()
}

/// glibc keeps shorter pieces once it has got back a long one.
fn filled() -> Index {
    drop(std::hint::black_box(vec![1_u8; 30 << 20]));
    let mut index = empty();
    (0..RECORDS).for_each(|number| assert!(insert(&mut index, number).unwrap()));
    index
}

/// Most of what an index frees by its own numbers must be gone by the system's.
fn assert_gone(before: (usize, usize), after: (usize, usize), least: usize) {
    let (by_stats, by_system) = (before.0 - after.0, before.1.saturating_sub(after.1));
    assert!(by_stats > least, "{by_stats} by the index's numbers");
    assert!(by_system > by_stats / 8 * 7, "{by_system} of {by_stats}");
}

/// Deletes and compacts away nine in ten records, which must free at least this many bytes.
fn assert_compacted(mut index: Index, least: usize) {
    let held = |index: &Index| (index.stats().bytes.total(), resident_bytes());
    let before = held(&index);
    for number in (0..index.len() as u64).filter(|number| number % 10 > 0) {
        assert!(index.delete(&number.into()).unwrap());
    }
    index.compact().unwrap();
    assert_gone(before, held(&index), least);
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn compacted() {
    assert_compacted(filled(), LEAST_GONE_BYTES);
}

/// Without payloads a quarter of an index is codes and links. Of each, only the start of one long piece is left, and
/// its end must be returned.
#[test]
#[ignore = "another test runs it, in a process of its own"]
fn compacted_codes() {
    const COUNT: usize = 30_000;
    let mut index = Index::new(Config { ef_construction: 10, ..Config::new(384) }).unwrap();
    for number in 0..COUNT {
        index.insert_with_id(number as u64, &vector::<384>(number), None).unwrap();
    }
    let bytes = index.stats().bytes;
    assert!(bytes.codes + bytes.graph > bytes.total() / 5, "{bytes:?}");
    assert_compacted(index, bytes.total() / 10 * 8);
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn demoted() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("resident-{}", std::process::id()));
    let options = StoreOptions { durability: Durability::Relaxed, ..Default::default() };
    let store = DirectoryStore::open(&place, options).unwrap();
    let mut index = filled();
    let bytes = index.stats().bytes;
    let before = (bytes.total(), resident_bytes());
    // Enough for what is always held, for each record's place, and for a few blocks.
    let budget = bytes.codes + bytes.graph + bytes.ids + 8 * RECORDS + (2 << 20);
    let config = Config { max_bytes: Some(budget), ..*index.config() };
    index.set_options(config).unwrap();
    let stored = block_on(StoredIndex::create(store, index)).unwrap();
    assert_gone(before, (stored.index().unwrap().stats().bytes.total(), resident_bytes()), LEAST_GONE_BYTES);
    // Blocks that are read and dropped again leave nothing behind either.
    for number in 0..RECORDS as u64 {
        let first = |record: thermocline::Record<'_>| match record.payload {
            Some(Payload::Bytes(bytes)) => bytes.first().copied(),
            _ => None,
        };
        assert_eq!(block_on(stored.get(&Id::Number(number), first)), Ok(Some(Some(number as u8))));
    }
    assert_gone(before, (stored.index().unwrap().stats().bytes.total(), resident_bytes()), LEAST_GONE_BYTES);
    drop(stored);
    std::fs::remove_dir_all(&place).unwrap();
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn refused() {
    // Freed for what the test does afterwards.
    let ballast = std::hint::black_box(vec![0_u8; 8 << 20]);
    let mut index = empty();
    let count = (0..).find(|&number| match insert(&mut index, number) {
        Ok(_) => false,
        Err(error) => error == Error::OutOfMemory || unreachable!("{error}"),
    });
    let count = count.unwrap();
    assert!(count > 5_000, "{count} records");
    assert_eq!(index.len(), count);
    drop(ballast);
    assert!(index.delete(&Id::Number(7)).unwrap());
    assert_eq!(index.search(&vector::<DIMENSIONS>(8), SearchOptions::top(10)).unwrap().len(), 10);
    assert!(index.get(&Id::Number(8)).unwrap().is_some() && index.get(&Id::Number(7)).unwrap().is_none());
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
}

/// Where this process, whose id is given, leaves a file for a process that it starts.
fn mapped_place(id: u32) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("resident-mapped-{id}"))
}

/// The file comes from another process, so no memory that this one has freed can take up a copy unnoticed.
#[test]
#[ignore = "another test runs it, in a process of its own"]
fn mapped() {
    let place = mapped_place(std::os::unix::process::parent_id());
    // Memory that is no file's, whether of the allocator or mapped.
    let own_bytes = || status_bytes("RssAnon:");
    let found = |index: &Index| -> Vec<_> {
        let options = || SearchOptions::top(10).with_ef(100);
        (0..200).map(|number| index.search(&vector::<384>(number * 7 + 3), options()).unwrap()).collect()
    };
    let before = own_bytes();
    let mapped = Index::map_file(&place).unwrap();
    let opened = own_bytes() - before;
    let hits = found(&mapped);
    let searched = own_bytes() - before;
    let before = own_bytes();
    let folder = place.with_extension("stored");
    let store = DirectoryStore::open(&folder, StoreOptions::default()).unwrap();
    let options = OpenOptions { lazy: true, ..OpenOptions::default() };
    let stored = block_on(StoredIndex::create_with(store, mapped, options)).unwrap();
    // What the allocator keeps of what was freed is in this, too.
    let put = own_bytes() - before;
    drop(stored);
    std::fs::remove_dir_all(&folder).unwrap();
    let before = own_bytes();
    let imported = Index::import(&std::fs::read(&place).unwrap()).unwrap();
    let copied = own_bytes() - before;
    let bytes = imported.stats().bytes;
    let hot = bytes.codes + bytes.graph;
    assert!(hot > 4 << 20 && copied > hot, "an import of {hot} bytes of codes and links took {copied}");
    assert!(opened < hot / 16, "opening took {opened} of {hot}");
    // Buffers of searches, and the hits.
    assert!(searched < hot / 4, "opening and searching took {searched} of {hot}");
    assert!(put < bytes.warm / 2, "putting {} bytes of records into a store took {put}", bytes.warm);
    assert!(hits == found(&imported));
}

#[test]
fn a_mapped_file_is_searched_and_stored_without_a_copy() {
    let mut index = Index::new(Config { ef_construction: 10, ..Config::new(384) }).unwrap();
    for number in 0..10_000 {
        index.insert_with_id(number as u64, &vector::<384>(number), None).unwrap();
    }
    let place = mapped_place(std::process::id());
    std::fs::write(&place, index.export().unwrap()).unwrap();
    alone("mapped", "unlimited");
    std::fs::remove_file(&place).unwrap();
}

#[test]
fn what_compaction_frees_goes_back_to_the_system() {
    alone("compacted", "unlimited");
    alone("compacted_codes", "unlimited");
}

#[test]
fn what_is_demoted_goes_back_to_the_system() {
    alone("demoted", "unlimited");
}

#[test]
fn memory_that_the_system_refuses_is_an_error() {
    alone("refused", "200000");
}
