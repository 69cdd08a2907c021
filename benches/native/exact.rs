//! True neighbours, by comparing every query with every row.
//!
//! 1. f32 sums select somewhat more candidates than requested, a block of rows at a time, on all cores.
//! 2. f64 sums sort them, ties to the lower row.

use crate::fields::{Fields, floats, write_rows};

/// Candidates kept beyond the requested ones, so that f32 rounding loses none of the true neighbours.
const SPARE: usize = 28;
/// Rows scored at a time: 256 rows of 384 dimensions stay in the L2 cache while all queries pass over them.
const BLOCK: usize = 256;

/// The distance to order by: smaller is closer. For unit vectors `l2` and `cosine` agree.
#[derive(Clone, Copy)]
enum Order {
    /// The negative inner product, which orders unit vectors as cosine does.
    Inner,
    Squared,
}

/// Writes `out`: for each query, `depth` row numbers, nearest first.
pub(crate) fn run(given: &Fields<'_>) -> Result<(), String> {
    let dimensions: usize = given.number("dimensions")?;
    let depth: usize = given.number("depth")?;
    let order = match given.needed("metric")? {
        "cosine" => Order::Inner,
        "l2" => Order::Squared,
        other => return Err(format!("metric: cosine or l2, got {other}")),
    };
    let base = floats(given.needed("base")?)?;
    let queries = floats(given.needed("queries")?)?;
    if dimensions == 0 || depth * dimensions > base.len() {
        return Err("fewer rows than the neighbours asked for".to_owned());
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = queries.len() / dimensions;
    let share = asked.div_ceil(threads).max(1) * dimensions;
    let found: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let workers: Vec<_> = queries
            .chunks(share)
            .map(|part| scope.spawn(|| neighbours(&base, part, dimensions, depth, order)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a thread failed".to_owned()))
            .collect::<Result<_, _>>()
    })?;
    write_rows(given.needed("out")?, found.into_iter().flatten().map(Some))
}

fn neighbours(base: &[f32], queries: &[f32], dimensions: usize, depth: usize, order: Order) -> Vec<u64> {
    let mut nearest: Vec<Nearest> = queries.chunks_exact(dimensions).map(|_| Nearest::new(depth + SPARE)).collect();
    for (block, rows) in base.chunks(BLOCK * dimensions).enumerate() {
        for (query, nearest) in queries.chunks_exact(dimensions).zip(&mut nearest) {
            for (at, row) in rows.chunks_exact(dimensions).enumerate() {
                nearest.offer(distance(query, row, order), block * BLOCK + at);
            }
        }
    }
    queries
        .chunks_exact(dimensions)
        .zip(nearest)
        .flat_map(|(query, nearest)| exactly(base, query, nearest, depth, order))
        .collect()
}

fn exactly(base: &[f32], query: &[f32], nearest: Nearest, depth: usize, order: Order) -> Vec<u64> {
    let dimensions = query.len();
    let mut exact: Vec<(f64, usize)> = nearest
        .sorted
        .into_iter()
        .filter_map(|(_, row)| {
            let vector = base.get(row * dimensions..(row + 1) * dimensions)?;
            let pairs = query.iter().zip(vector).map(|(&a, &b)| (f64::from(a), f64::from(b)));
            let sum: f64 = match order {
                Order::Inner => -pairs.map(|(a, b)| a * b).sum::<f64>(),
                Order::Squared => pairs.map(|(a, b)| (a - b) * (a - b)).sum(),
            };
            Some((sum, row))
        })
        .collect();
    exact.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    exact.into_iter().take(depth).map(|(_, row)| row as u64).collect()
}

/// Sixteen running sums, so that the compiler can use its vector registers.
fn distance(a: &[f32], b: &[f32], order: Order) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (a_parts, a_rest) = a.as_chunks::<16>();
    let (b_parts, b_rest) = b.as_chunks::<16>();
    match order {
        Order::Inner => {
            for (x, y) in a_parts.iter().zip(b_parts) {
                for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
                    *sum += x * y;
                }
            }
            let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
            -(sums.iter().sum::<f32>() + rest)
        }
        Order::Squared => {
            for (x, y) in a_parts.iter().zip(b_parts) {
                for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
                    *sum += (x - y) * (x - y);
                }
            }
            let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| (x - y) * (x - y)).sum();
            sums.iter().sum::<f32>() + rest
        }
    }
}

/// The nearest rows so far, in order.
struct Nearest {
    sorted: Vec<(f32, usize)>,
    room: usize,
}

impl Nearest {
    fn new(room: usize) -> Self {
        Self { sorted: Vec::with_capacity(room + 1), room }
    }

    fn offer(&mut self, distance: f32, row: usize) {
        if self.sorted.len() == self.room && self.sorted.last().is_some_and(|last| distance >= last.0) {
            return;
        }
        let at = self.sorted.partition_point(|kept| kept.0 <= distance);
        self.sorted.insert(at, (distance, row));
        self.sorted.truncate(self.room);
    }
}
