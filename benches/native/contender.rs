//! thermocline as a contender: the commands of `benches/harness/workers/serve.mjs`, on the native crate.

use std::fmt::Write as _;
use std::time::Instant;

use thermocline::{Config, Id, Index, Metric, NewRecord, Quantization, SearchOptions};

use crate::fields::{Fields, floats, rows, write_rows};
use crate::stored::first_answer;

/// The length of a step of a compaction that nobody waits for, in microseconds.
const STEP_US: usize = 1_000_000;

/// One index, and the data it is measured with.
#[derive(Default)]
pub(crate) struct Contender {
    base: Vec<f32>,
    queries: Vec<f32>,
    config: Option<Config>,
    index: Option<Index>,
    resident_before: u64,
}

impl Contender {
    /// Executes one command and returns the answer, a JSON object.
    pub(crate) fn answer(&mut self, verb: &str, given: &Fields<'_>) -> Result<String, String> {
        match verb {
            "open" => self.open(given),
            "use" => self.use_queries(given),
            "create" => self.create(given),
            "insert" => self.insert(given),
            "search" => self.search(given),
            "memory" => self.memory(),
            "delete" => self.delete(given),
            "compact" => self.compact(given),
            "check" => self.check(),
            "save" => self.save(given),
            "reopen" => self.reopen(given),
            "reopenStored" => self.reopen_stored(given),
            other => Err(format!("no such command: {other}")),
        }
    }

    fn open(&mut self, given: &Fields<'_>) -> Result<String, String> {
        self.config = Some(Config {
            metric: metric_of(given)?,
            quantization: quantization_of(given)?,
            m: given.number("m")?,
            ef_construction: given.number("efConstruction")?,
            ..Config::new(given.number("dimensions")?)
        });
        self.base = floats(given.needed("base")?)?;
        self.queries = floats(given.needed("queries")?)?;
        self.resident_before = resident_bytes();
        Ok("{}".to_owned())
    }

    /// Uses other queries from here on.
    fn use_queries(&mut self, given: &Fields<'_>) -> Result<String, String> {
        self.queries = floats(given.needed("queries")?)?;
        Ok("{}".to_owned())
    }

    fn create(&mut self, given: &Fields<'_>) -> Result<String, String> {
        self.index = None;
        let mut config = self.config.ok_or("nothing is open")?;
        if given.text("seed").is_some() {
            config.seed = given.number("seed")?;
        }
        self.index = Some(Index::new(config).map_err(text)?);
        Ok("{}".to_owned())
    }

    /// Rows from..to, or those whose numbers are in a file; a row's number is its id. With `threads`, inserts all in
    /// one call on that many.
    fn insert(&mut self, given: &Fields<'_>) -> Result<String, String> {
        let chosen = match given.text("rows") {
            Some(path) => rows(path)?,
            None => (given.number("from")?..given.number("to")?).collect(),
        };
        let (base, index) = (&self.base, self.index.as_mut().ok_or("nothing is created")?);
        let dimensions = index.config().dimensions;
        if given.text("threads").is_some() {
            let record = |&row: &usize| {
                let vector = vector(base, row, dimensions)?;
                Ok(NewRecord { id: Some(Id::Number(row as u64)), ..NewRecord::new(vector) })
            };
            let records = chosen.iter().map(record).collect::<Result<Vec<_>, String>>()?;
            return on_threads(given.number("threads")?, || {
                timed(|| index.insert_many(&records).map(drop).map_err(text))
            });
        }
        timed(|| {
            chosen.iter().try_for_each(|&row| {
                let vector = vector(base, row, dimensions)?;
                index.insert_with_id(row as u64, vector, None).map_err(text)
            })?;
            while index.link_step().map_err(text)? {}
            Ok(())
        })
    }

    fn search(&self, given: &Fields<'_>) -> Result<String, String> {
        let (k, ef): (usize, usize) = (given.number("k")?, given.number("ef")?);
        let index = self.index.as_ref().ok_or("nothing is created")?;
        let dimensions = index.config().dimensions;
        let all = self.queries.len() / dimensions;
        let count = given.text("count").map_or(Ok(all), |_| given.number("count"))?;
        let clocked = given.text("latencies").is_some();
        let rerank = given.text("rerank").is_none();
        let mut found: Vec<Option<u64>> = Vec::with_capacity(count * k);
        let mut latencies_ms: Vec<f64> = Vec::with_capacity(count);
        let times = timed_fields(|| {
            for query in self.queries.chunks_exact(dimensions).cycle().take(count) {
                let start = clocked.then(Instant::now);
                let hits = index.search(query, SearchOptions::top(k).with_ef(ef).with_rerank(rerank)).map_err(text)?;
                let end = found.len() + k;
                found.extend(hits.iter().map(|hit| hit.id.as_number()));
                found.resize(end, None);
                if let Some(start) = start {
                    latencies_ms.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
            Ok(())
        })?;
        if let Some(path) = given.text("ids") {
            write_rows(path, found.into_iter())?;
        }
        let mut answer = format!("{{{times},\"count\":{count}");
        if clocked {
            let _ = write!(answer, ",\"latenciesMs\":{latencies_ms:?}");
        }
        answer.push('}');
        Ok(answer)
    }

    fn memory(&self) -> Result<String, String> {
        let stats = self.index.as_ref().ok_or("nothing is created")?.stats();
        let held = resident_bytes().saturating_sub(self.resident_before);
        let bytes = stats.bytes;
        Ok(format!(
            "{{\"residentBytes\":{held},\"how\":\"resident set, after less before the first index\",\"bytesPerVector\":{},\
             \"bytes\":{{\"codes\":{},\"graph\":{},\"ids\":{},\"warm\":{},\"total\":{}}},\"size\":{},\"simd\":{:?}}}",
            stats.bytes_per_vector,
            bytes.codes,
            bytes.graph,
            bytes.ids,
            bytes.warm,
            bytes.total(),
            stats.size,
            stats.simd,
        ))
    }

    fn delete(&mut self, given: &Fields<'_>) -> Result<String, String> {
        let chosen = rows(given.needed("rows")?)?;
        let index = self.index.as_mut().ok_or("nothing is created")?;
        timed(|| {
            chosen.iter().try_for_each(|&row| {
                let deleted = index.delete(&Id::Number(row as u64)).map_err(text)?;
                if deleted { Ok(()) } else { Err(format!("row {row} was not there")) }
            })
        })
    }

    fn compact(&mut self, given: &Fields<'_>) -> Result<String, String> {
        let index = self.index.as_mut().ok_or("nothing is created")?;
        let packs = given.text("pack").is_some();
        let times = timed_fields(|| {
            if packs { index.pack_start() } else { index.compact_start() }.map_err(text)?;
            while index.compact_step(STEP_US).map_err(text)? {}
            Ok(())
        })?;
        let report = index.compact_finish().ok_or("the compaction left no report")?;
        Ok(format!(
            "{{{times},\"report\":{{\"tombstonesRemoved\":{},\"newSize\":{},\"reclaimedBytes\":{}}}}}",
            report.tombstones_removed,
            report.new_size,
            report.reclaimed_bytes.total(),
        ))
    }

    fn check(&self) -> Result<String, String> {
        let report = self.index.as_ref().ok_or("nothing is created")?.check().map_err(text)?;
        Ok(format!(
            "{{\"ok\":{},\"live\":{},\"reachable\":{},\"problems\":{:?}}}",
            report.ok, report.live, report.reachable, report.problems,
        ))
    }

    fn save(&self, given: &Fields<'_>) -> Result<String, String> {
        let index = self.index.as_ref().ok_or("nothing is created")?;
        let path = given.needed("path")?;
        let mut size = 0;
        let times = timed_fields(|| {
            let bytes = index.export().map_err(text)?;
            size = bytes.len();
            std::fs::write(path, bytes).map_err(text)
        })?;
        Ok(format!("{{{times},\"bytes\":{size}}}"))
    }

    fn reopen(&mut self, given: &Fields<'_>) -> Result<String, String> {
        self.index = None;
        let path = given.needed("path")?;
        let (queries, slot) = (&self.queries, &mut self.index);
        timed(|| {
            let bytes = std::fs::read(path).map_err(text)?;
            let index = slot.insert(Index::import(&bytes).map_err(text)?);
            let query = vector(queries, 0, index.config().dimensions)?;
            index.search(query, SearchOptions::top(10).with_ef(64)).map_err(text)?;
            Ok(())
        })
    }

    /// Measures from the directory of a stored index to its first answer; nothing of the index is kept.
    fn reopen_stored(&self, given: &Fields<'_>) -> Result<String, String> {
        let config = self.config.ok_or("nothing is open")?;
        let path = given.needed("path")?;
        let query = vector(&self.queries, 0, config.dimensions)?;
        timed(|| first_answer(path.as_ref(), query).map_err(text))
    }
}

fn quantization_of(given: &Fields<'_>) -> Result<Quantization, String> {
    given.needed("quantization")?.parse().map_err(text)
}

pub(crate) fn metric_of(given: &Fields<'_>) -> Result<Metric, String> {
    given.needed("metric")?.parse().map_err(text)
}

fn vector(flat: &[f32], row: usize, dimensions: usize) -> Result<&[f32], String> {
    flat.get(row * dimensions..(row + 1) * dimensions).ok_or_else(|| format!("there is no row {row}"))
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn timed(work: impl FnOnce() -> Result<(), String>) -> Result<String, String> {
    timed_fields(work).map(|fields| format!("{{{fields}}}"))
}

/// Returns wall and CPU time of some work, as fields of a JSON object.
fn timed_fields(work: impl FnOnce() -> Result<(), String>) -> Result<String, String> {
    let (cpu, wall) = (cpu_ns(), Instant::now());
    work()?;
    let wall_ms = wall.elapsed().as_secs_f64() * 1e3;
    let cpu_ms = match (cpu, cpu_ns()) {
        (Some(before), Some(after)) => (after - before) as f64 / 1e6,
        _ => wall_ms,
    };
    Ok(format!("\"wallMs\":{wall_ms},\"cpuMs\":{cpu_ms}"))
}

/// Runs work in a pool of this many threads.
#[cfg(feature = "rayon")]
fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(text)?.install(work)
}

#[cfg(not(feature = "rayon"))]
fn on_threads<T>(threads: usize, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    if threads == 1 { work() } else { Err("without the feature `rayon` there is one thread".to_owned()) }
}

/// CPU time so far of all existing threads. Linux gives nanoseconds; elsewhere `None`.
fn cpu_ns() -> Option<u64> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let of = |path: std::path::PathBuf| {
        let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.map(|task| of(task.ok()?.path())).sum()
}

pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
