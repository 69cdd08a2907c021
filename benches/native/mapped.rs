//! How soon an exported file answers when it is searched in place. One opening per process, so that nothing is warm.

use std::time::Instant;

use thermocline::{Index, SearchOptions};

use crate::contender::text;
use crate::fields::{Fields, floats};

/// Prints how long the first answers take, in milliseconds from just before the file is opened.
pub(crate) fn run(given: &Fields<'_>) -> Result<(), String> {
    let dimensions = given.number("dimensions")?;
    let queries = floats(given.needed("queries")?)?;
    let path = given.needed("path")?;
    let start = Instant::now();
    let index = Index::map_file(path).map_err(text)?;
    let mut times = vec![start.elapsed()];
    for query in queries.chunks_exact(dimensions).take(3) {
        std::hint::black_box(index.search(query, SearchOptions::top(10)).map_err(text)?);
        times.push(start.elapsed());
    }
    let times: Vec<String> = times.iter().map(|time| format!("{:.3}", time.as_secs_f64() * 1e3)).collect();
    println!("opened, first three answers: {} ms; {} bytes held", times.join(", "), index.stats().bytes.total());
    Ok(())
}
