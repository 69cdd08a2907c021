//! Records that are in a directory and not in memory: how much memory is still held, how few blocks the records of an
//! answer lie in, and what reading them costs, by block length.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use thermocline::{
    Config, DirectoryStore, Durability, Error, Id, Index, OpenOptions, Payload, Quantization, ResidentBytes,
    SearchOptions, Store, StoreError, StoreOptions, StoredIndex, block_on,
};

use crate::contender::{metric_of, resident_bytes, text};
use crate::fields::{Fields, floats, rows};
use crate::watched::{Asked, Watched};

const PAYLOAD_BYTES: usize = 100;
const K: usize = 10;
const RECALL: f64 = 0.95;
const WIDTHS: [usize; 11] = [10, 12, 16, 20, 24, 28, 32, 40, 48, 64, 96];
/// The memory allowed for blocks, besides codes, links and ids.
const CACHE_BYTES: usize = 4 << 20;
const BLOCK_BYTES: [usize; 5] = [16 << 10, 32 << 10, 56 << 10, 96 << 10, 128 << 10];

/// A directory with another value length that notes which blocks are requested.
fn counted(path: &PathBuf, value_bytes: usize, blocks: &RefCell<BTreeSet<String>>) -> Result<impl Store, StoreError> {
    let options = StoreOptions { durability: Durability::Relaxed, ..Default::default() };
    let watched = Watched::new(DirectoryStore::open(path, options)?, |asked| {
        if let Asked::Read(keys) = asked {
            blocks.borrow_mut().extend(keys.iter().filter(|key| key.starts_with("b/")).cloned());
        }
        Ok(())
    });
    Ok(watched.with_value_bytes(value_bytes))
}

/// The data, and where indexes are stored.
struct Measured {
    base: Vec<f32>,
    queries: Vec<f32>,
    truth: Vec<usize>,
    depth: usize,
    path: PathBuf,
}

/// Prints the results.
pub(crate) fn run(given: &Fields<'_>) -> Result<(), String> {
    let metric = metric_of(given)?;
    let config = Config { metric, ..Config::new(given.number("dimensions")?) };
    let truth = rows(given.needed("truth")?)?;
    let queries = floats(given.needed("queries")?)?;
    let depth = truth.len() * config.dimensions / queries.len().max(1);
    let path = PathBuf::from(given.needed("path")?);
    let measured = Measured { base: floats(given.needed("base")?)?, queries, truth, depth, path };
    let count = measured.base.len() / config.dimensions;
    println!("{count} x {}, payloads of {PAYLOAD_BYTES} bytes", config.dimensions);

    let plain = measured.build(Config { quantization: Quantization::None, ..config })?;
    let peer = plain.stats().bytes;
    let ef = measured.width(config, |query, ef| plain.search(query, SearchOptions::top(K).with_ef(ef)))?;
    drop(plain);
    let peer_bytes = (peer.codes + peer.graph + peer.ids) as f64 / count as f64;
    println!("  f32 and links: {peer_bytes:.0} bytes a vector; recall {:.4} at ef {}", ef.1, ef.0);

    let before = resident_bytes();
    let index = measured.build(config)?;
    let exported = measured.path.with_extension("export");
    std::fs::write(&exported, index.export().map_err(text)?).map_err(text)?;
    measured.memory(index, peer_bytes, before).map_err(text)??;
    for block_bytes in BLOCK_BYTES {
        let bytes = std::fs::read(&exported).map_err(text)?;
        measured.blocks(Index::import(&bytes).map_err(text)?, block_bytes).map_err(text)?;
    }
    std::fs::remove_file(&exported).and_then(|()| std::fs::remove_dir_all(&measured.path)).map_err(text)
}

impl Measured {
    fn build(&self, config: Config) -> Result<Index, String> {
        let mut index = Index::new(config).map_err(text)?;
        for (row, vector) in self.base.chunks_exact(config.dimensions).enumerate() {
            let words = format!("{row} ").repeat(PAYLOAD_BYTES);
            index
                .insert_with_id(row as u64, vector, Some(Payload::Bytes(&words.as_bytes()[..PAYLOAD_BYTES])))
                .map_err(text)?;
        }
        Ok(index)
    }

    /// Returns the narrowest search width that finds enough, and what it finds.
    fn width(
        &self,
        config: Config,
        search: impl Fn(&[f32], usize) -> Result<Vec<thermocline::Hit>, Error>,
    ) -> Result<(usize, f64), String> {
        let mut last = (0, 0.0);
        for ef in WIDTHS {
            let mut found = 0;
            let all = self.queries.chunks_exact(config.dimensions).zip(self.truth.chunks_exact(self.depth));
            for (query, near) in all {
                let near = near.get(..K).ok_or("the true neighbours are known too little")?;
                let hits = search(query, ef).map_err(text)?;
                found += hits.iter().filter(|hit| near.iter().any(|&row| hit.id == Id::Number(row as u64))).count();
            }
            last = (ef, (found * config.dimensions) as f64 / (K * self.queries.len()) as f64);
            if last.1 >= RECALL {
                break;
            }
        }
        Ok(last)
    }

    /// From all records warm to all cold in one process, and then with half of them deleted.
    fn memory(&self, mut index: Index, peer_bytes: f64, before: u64) -> Result<Result<(), String>, Error> {
        let count = index.len();
        let each = |bytes: usize| bytes as f64 / count as f64;
        let resident = || resident_bytes().saturating_sub(before);
        let hot = |bytes: &ResidentBytes| bytes.codes + bytes.graph + bytes.ids;
        let warm = index.stats().bytes;
        println!(
            "  warm: {:.0} bytes a record by stats(), {} in all, resident set {}",
            each(warm.total()),
            warm.total(),
            resident()
        );
        let config = Config { max_bytes: Some(hot(&warm) + 8 * count + CACHE_BYTES), ..*index.config() };
        let _ = std::fs::remove_dir_all(&self.path);
        let unread = RefCell::default();
        let store = counted(&self.path, 128 << 10, &unread)?;
        index.set_options(config)?;
        let stored = block_on(StoredIndex::create(store, index))?;
        let demoted = stored.index()?.stats().bytes;
        println!("  demoted: {} bytes by stats(), resident set {}", demoted.total(), resident());
        let search = |query: &[f32], ef| block_on(stored.search(query, SearchOptions::top(K).with_ef(ef)));
        let (ef, recall) = match self.width(config, search) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let cold = stored.index()?.stats().bytes;
        let less = 100.0 * (1.0 - each(cold.total()) / peer_bytes);
        println!("  cold: {:.0} bytes a record by stats() after its searches, {cold:?}", each(cold.total()));
        println!("  recall {recall:.4} at ef {ef}; {less:.1} % less than f32 and links; resident set {}", resident());
        for row in 0..count as u64 / 2 {
            stored.change(|index| index.delete(&(2 * row).into()))?;
        }
        block_on(stored.compact(&thermocline::SystemClock::default()))?;
        let halved = stored.index()?.stats().bytes;
        println!("  half deleted and compacted: {} bytes by stats(), resident set {}", halved.total(), resident());
        Ok(Ok(()))
    }

    /// Measures how many blocks the records of an answer are in, and what reading them takes.
    fn blocks(&self, index: Index, block_bytes: usize) -> Result<(), Error> {
        let _ = std::fs::remove_dir_all(&self.path);
        let asked_for = RefCell::default();
        let store = || counted(&self.path, block_bytes, &asked_for);
        // No blocks may be held, so each call reads everything it needs.
        let config = Config { max_bytes: Some(1), ..*index.config() };
        let options = OpenOptions { config: Some(config), lazy: true, clock: Some(now_ms), ..Default::default() };
        block_on(block_on(StoredIndex::create(store()?, index))?.close())?;
        let stored = block_on(StoredIndex::open(store()?, options))?;
        let (mut distinct, mut searches, mut gets) = (0, Vec::new(), Vec::new());
        for (query, near) in self.queries.chunks_exact(config.dimensions).zip(self.truth.chunks_exact(self.depth)) {
            let start = Instant::now();
            block_on(stored.search(query, SearchOptions::top(K)))?;
            searches.push(start.elapsed().as_secs_f64() * 1e3);
            asked_for.borrow_mut().clear();
            for &row in near.iter().take(K) {
                let start = Instant::now();
                block_on(stored.get(&Id::Number(row as u64), |_| ()))?;
                gets.push(start.elapsed().as_secs_f64() * 1e3);
            }
            let blocks = asked_for.borrow();
            // Later pieces do not count as blocks of their own.
            distinct += blocks.iter().filter(|key| key.ends_with(".0000000000")).count();
        }
        let stats = stored.index()?.stats();
        println!(
            "  blocks of {block_bytes}: {:.2} for the true ten; search {:.3} ms, get {:.3} ms, nothing in memory; {} of {} bytes, {}",
            distinct as f64 / searches.len() as f64,
            median(&mut searches),
            median(&mut gets),
            stats.stored.cold,
            stats.stored.cold_raw,
            stats.codec,
        );
        Ok(())
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn now_ms() -> f64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64() * 1e3)
}
