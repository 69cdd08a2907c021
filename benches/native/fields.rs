//! The arguments of a command: key=value words, and the raw files that they name.

use std::collections::HashMap;
use std::io::Read as _;
use std::str::FromStr;

/// The key=value fields of one command.
#[derive(Debug)]
pub(crate) struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    pub(crate) fn new(words: impl Iterator<Item = &'a str>) -> Self {
        Self(words.filter_map(|word| word.split_once('=')).collect())
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }

    pub(crate) fn needed(&self, key: &str) -> Result<&'a str, String> {
        self.text(key).ok_or_else(|| format!("{key} is missing"))
    }

    pub(crate) fn number<T: FromStr>(&self, key: &str) -> Result<T, String> {
        let text = self.needed(key)?;
        text.parse().map_err(|_| format!("{key}: {text} is no such number"))
    }
}

/// Bytes read at a time, so that a file is never in memory twice: a million long vectors would be too much.
const CHUNK: usize = 1 << 20;

fn words_of<T>(path: &str, decode: impl Fn([u8; 4]) -> T) -> Result<Vec<T>, String> {
    let said = |error: std::io::Error| format!("{path}: {error}");
    let mut file = std::fs::File::open(path).map_err(said)?;
    let length = usize::try_from(file.metadata().map_err(said)?.len()).map_err(|error| format!("{path}: {error}"))?;
    if !length.is_multiple_of(4) {
        return Err(format!("{path}: {length} bytes are no whole number of words"));
    }
    let mut words = Vec::with_capacity(length / 4);
    let mut chunk = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        let (part, _) = chunk.split_at_mut(left.min(CHUNK));
        file.read_exact(part).map_err(said)?;
        words.extend(part.as_chunks::<4>().0.iter().map(|&word| decode(word)));
        left -= part.len();
    }
    Ok(words)
}

/// Reads a file of little-endian f32.
pub(crate) fn floats(path: &str) -> Result<Vec<f32>, String> {
    words_of(path, f32::from_le_bytes)
}

/// Reads a file of little-endian i32 row numbers.
pub(crate) fn rows(path: &str) -> Result<Vec<usize>, String> {
    words_of(path, i32::from_le_bytes)?
        .into_iter()
        .map(|row| usize::try_from(row).map_err(|_| format!("{path}: {row} is no row number")))
        .collect()
}

/// Writes row numbers as little-endian i32; `None` as -1.
pub(crate) fn write_rows(path: &str, rows: impl Iterator<Item = Option<u64>>) -> Result<(), String> {
    let bytes: Vec<u8> = rows
        .flat_map(|row| {
            let row = row.and_then(|row| i32::try_from(row).ok()).unwrap_or(-1);
            row.to_le_bytes()
        })
        .collect();
    std::fs::write(path, bytes).map_err(|error| format!("{path}: {error}"))
}
