//! Sequences of operations from a seed.

use thermocline::{Config, Index, Metric, Quantization};

use crate::support::Rng;

/// An operation on an index and its store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// This many changes of any kind.
    Change(usize),
    /// This many inserts.
    Fill(usize),
    /// This many inserts in one call.
    Many(usize),
    /// Reads this many records.
    Get(usize),
    /// Searches for this many.
    Search(usize),
    Commit,
    /// Changes happen while the store is awaited.
    BusyCommit,
    Checkpoint,
    BusyCheckpoint,
    Compact,
    /// This many steps of a compaction, which is left unfinished.
    CompactSteps(usize),
    /// Links this many pending records.
    Link(usize),
    Clear,
    /// This much time passes.
    Pass(usize),
    /// To the end, including the store.
    CompactStored,
    /// The same, leaving nothing of deleted records.
    Erase,
    /// Closed or merely dropped, then opened again.
    Reopen {
        closes: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) config: Config,
    pub(crate) value_bytes: usize,
    /// Whether records from logs are linked later than at the opening.
    pub(crate) lazy: bool,
    /// Done once, without faults.
    pub(crate) before: Vec<Op>,
    pub(crate) ops: Vec<Op>,
    pub(crate) seed: u64,
}

impl Script {
    pub(crate) fn new(seed: u64, is_large: bool) -> Self {
        let mut rng = Rng(seed);
        // Product codes are not trained before there are 1024 records, and cannot be searched until then.
        let quantizations = [Quantization::Int8, Quantization::None, Quantization::Binary, Quantization::Product];
        let base = Config {
            metric: rng.pick(&[Metric::Cosine, Metric::L2, Metric::Dot]),
            quantization: rng.pick(&quantizations[..if is_large { 3 } else { 4 }]),
            m: rng.pick(&[4, 6]),
            ef_construction: 8,
            ef: 8,
            seed,
            ..Config::new(3 + rng.below(6))
        };
        // What an index takes without a record, and room for not nearly all that it gets.
        let room = if is_large {
            100_000 + rng.below(300_000)
        } else {
            rng.pick(&[2000, 8000, 30_000, 60_000]) + rng.below(6000)
        };
        let max_bytes = rng.one_in(3).then(|| Index::new(base).unwrap().stats().bytes.total() + room);
        let config = Config { max_bytes, ..base };
        let value_bytes =
            if is_large { rng.pick(&[6000, 20_000, 65_536]) } else { rng.pick(&[200, 900, 5000, 65_536]) };
        let before = match is_large {
            true => {
                let count = rng.pick(&[1020, 1100, 2050, 3000]);
                vec![Op::Fill(count), Op::Change(60), Op::Checkpoint, Op::Change(9), Op::Commit]
            }
            // Many of these are cold from the beginning.
            false if max_bytes.is_some() => vec![Op::Fill(20 + rng.below(40)), Op::Checkpoint],
            false => Vec::new(),
        };
        let most = if is_large { 5 } else { 12 };
        let ops = (0..3 + rng.below(most)).map(|_| Self::op(&mut rng, is_large)).collect();
        Self { config, value_bytes, lazy: rng.one_in(2), before, ops, seed }
    }

    fn op(rng: &mut Rng, is_large: bool) -> Op {
        // Relinking thousands of nodes would take longer than everything else.
        let op = rng.below(if is_large { 47 } else { 54 });
        match op {
            0..=9 => Op::Change(1 + rng.below(8)),
            10..=12 => Op::Search(1 + rng.below(12)),
            13 | 14 => Op::Get(1 + rng.below(4)),
            15 | 16 => Op::Many(1 + rng.below(if is_large { 60 } else { 12 })),
            17..=21 => Op::Commit,
            22 | 23 => Op::BusyCommit,
            24..=27 => Op::Checkpoint,
            28..=31 => Op::BusyCheckpoint,
            32 | 33 if !is_large || rng.one_in(4) => Op::Compact,
            32..=35 => Op::CompactSteps(1 + rng.below(30)),
            36..=38 => Op::Reopen { closes: false },
            39 => Op::Reopen { closes: true },
            40 | 41 => Op::Fill(rng.below(if is_large { 150 } else { 30 })),
            42 | 43 => Op::Link(1 + rng.below(20)),
            44..=46 => Op::Pass(rng.below(20)),
            47 => Op::Clear,
            48 | 49 => Op::CompactStored,
            50 | 51 => Op::Erase,
            _ => Op::Change(30),
        }
    }
}
