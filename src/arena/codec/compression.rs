//! The compressions of a block, and which of them pays best: a pure function of measurements.

use super::matches::Effort;

/// How new blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// New blocks are not compressed.
    AsItIs,
    /// LZ4: saves little, and is decompressed at the speed of memory.
    Lz4,
    /// Deflate with little effort.
    Deflate,
    /// Deflate with more effort, for the smallest result.
    DeflateMore,
}

/// Figures of one compression on real blocks, per uncompressed byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) compression: Compression,
    /// Compressed bytes, 0 to about 1.
    pub(crate) ratio: f64,
    pub(crate) compress_ns: f64,
    pub(crate) decompress_ns: f64,
}

/// The cost of a byte in the store: writing it once, reading it now and then, and using up the quota that a user has
/// granted to a page. Stores write a byte in some 7 ns and read it in as many.
const STORED_BYTE_NS: f64 = 50.0;
/// The weight of compression time: no caller waits for it, and it happens once. Decompression counts in full.
const COMPRESSION_SHARE: f64 = 0.25;
/// The longest time that a caller may wait for one block to be decompressed.
const MOST_DECOMPRESS_NS: f64 = 500_000.0;
/// A compression must save at least this share of the cost of a simpler one.
const LEAST_GAIN: f64 = 0.03;

impl Compression {
    /// All compressions, the least effort first.
    pub(crate) const ALL: [Self; 4] = [Self::AsItIs, Self::Lz4, Self::Deflate, Self::DeflateMore];

    /// The codec number in a block's entry, which is all that decompressing it needs.
    pub(crate) const fn codec(self) -> u32 {
        match self {
            Self::AsItIs => 0,
            Self::Lz4 => 1,
            Self::Deflate | Self::DeflateMore => 2,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AsItIs => "none",
            Self::Lz4 => "lz4",
            Self::Deflate => "deflate",
            Self::DeflateMore => "deflate-more",
        }
    }

    /// The word that a manifest stores for a choice; 0 while nothing has been chosen.
    pub(crate) fn to_word(chosen: Option<Self>) -> u32 {
        chosen.map_or(0, |chosen| chosen as u32 + 1)
    }

    /// The compression of a manifest's word; `None` for 0, and for a number that only a later version knows.
    pub(crate) fn from_word(word: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&compression| Self::to_word(Some(compression)) == word)
    }

    /// The effort of deflate; `None` for other compressions.
    pub(super) const fn effort(self) -> Option<Effort> {
        match self {
            Self::AsItIs | Self::Lz4 => None,
            Self::Deflate => Some(Effort::Little),
            Self::DeflateMore => Some(Effort::Much),
        }
    }

    /// Nanoseconds to compress and to decompress a byte, on a machine that has not been measured.
    pub(crate) const fn typical_ns(self) -> (f64, f64) {
        match self {
            Self::AsItIs => (0.0, 0.0),
            Self::Lz4 => (6.0, 1.5),
            Self::Deflate => (12.0, 4.0),
            Self::DeflateMore => (25.0, 4.0),
        }
    }

    /// The compression that pays best for blocks of `block_bytes`, the simplest of equals; `AsItIs` without any.
    pub(crate) fn choose(measured: &[Measured], block_bytes: usize) -> Self {
        let is_admitted = |tried: &&Measured| tried.decompress_ns * block_bytes as f64 <= MOST_DECOMPRESS_NS;
        let best = measured.iter().filter(is_admitted).fold(Measured::UNCOMPRESSED, |best, &tried| {
            if tried.cost_ns() < best.cost_ns() * (1.0 - LEAST_GAIN) { tried } else { best }
        });
        best.compression
    }
}

impl Measured {
    /// The figures of a block that is not compressed.
    pub(crate) const UNCOMPRESSED: Self =
        Self { compression: Compression::AsItIs, ratio: 1.0, compress_ns: 0.0, decompress_ns: 0.0 };

    /// The cost of each byte of a block, in nanoseconds.
    fn cost_ns(&self) -> f64 {
        self.ratio * STORED_BYTE_NS + self.compress_ns * COMPRESSION_SHARE + self.decompress_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(rows: [(f64, f64, f64); 3]) -> Compression {
        let compressions = [Compression::Lz4, Compression::Deflate, Compression::DeflateMore];
        let row = |(compression, (ratio, compress_ns, decompress_ns))| Measured {
            compression,
            ratio,
            compress_ns,
            decompress_ns,
        };
        let measured: Vec<_> = compressions.into_iter().zip(rows).map(row).collect();
        Compression::choose(&measured, 60 << 10)
    }

    #[test]
    fn a_table_of_choices() {
        // For LZ4, deflate and deflate with more effort: compressed bytes, and nanoseconds to compress and decompress,
        // per byte.
        let cases = [
            ("noise", [(1.0, 0.5, 0.0), (1.0, 4.0, 0.0), (1.0, 9.0, 0.0)], Compression::AsItIs),
            ("embeddings, natively", [(0.87, 2.4, 0.5), (0.71, 10.8, 3.5), (0.70, 60.0, 3.7)], Compression::Deflate),
            (
                "embeddings, where compression is slow",
                [(0.87, 9.0, 2.0), (0.71, 60.0, 14.0), (0.7, 300.0, 14.0)],
                Compression::Lz4,
            ),
            ("long texts", [(0.45, 3.6, 0.9), (0.37, 8.7, 5.0), (0.29, 20.0, 3.8)], Compression::DeflateMore),
            (
                "long texts, where compression is slow",
                [(0.45, 9.0, 2.0), (0.37, 30.0, 8.0), (0.29, 90.0, 8.0)],
                Compression::Lz4,
            ),
            ("zeros", [(0.01, 0.5, 0.2), (0.01, 2.0, 1.0), (0.01, 9.0, 1.0)], Compression::Lz4),
            ("too slow to wait for", [(0.99, 1.0, 0.1), (0.1, 1.0, 9.0), (0.1, 1.0, 9.0)], Compression::AsItIs),
            ("a coarse clock", [(0.87, 0.0, 0.0), (0.71, 0.0, 0.0), (0.70, 0.0, 0.0)], Compression::Deflate),
        ];
        for (name, rows, expected) in cases {
            assert_eq!(chosen(rows), expected, "{name}");
        }
        assert_eq!(Compression::choose(&[], 1000), Compression::AsItIs);
        // NaN is no reason to choose a compression.
        assert_eq!(chosen([(f64::NAN, 1.0, 1.0), (0.5, f64::NAN, 1.0), (0.5, 1.0, f64::NAN)]), Compression::AsItIs);
    }

    #[test]
    fn a_choice_is_a_word() {
        for (word, compression) in (1..).zip(Compression::ALL) {
            assert_eq!(
                (Compression::to_word(Some(compression)), Compression::from_word(word)),
                (word, Some(compression))
            );
        }
        for word in [0, 5, u32::MAX] {
            assert_eq!(Compression::from_word(word), None);
        }
        assert_eq!(Compression::to_word(None), 0);
    }
}
