//! What "near" means, and the arithmetic behind it.
//!
//! | file      | what                                                                                  |
//! |-----------|---------------------------------------------------------------------------------------|
//! | `mod`     | [`Metric`]: which function of two vectors is the distance                             |
//! | `kernel/` | [`Kernels`]: the sums that distances are made of, in the instructions of each platform |

mod kernel;

pub use kernel::Kernels;
#[doc(hidden)]
pub use kernel::prove;
pub(crate) use kernel::{BURST, Gathered, LINE_BYTES, Line, Subvector, coded, dots, looked_up, squares};

use crate::types::UnknownName;

/// How the distance between two vectors is computed. Under every metric a smaller distance is closer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metric {
    /// `1 - cos(a, b)`, in `0..=2`. The length of a vector does not matter, but it must not be zero.
    #[default]
    Cosine,
    /// The squared Euclidean distance, the sum of `(a - b)^2`, in `0..`.
    L2,
    /// `-<a, b>`: the larger the inner product, the closer. Negative for vectors that agree.
    Dot,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 3] = [Self::Cosine, Self::L2, Self::Dot];

    /// The name used in options and in error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::Dot => "dot",
        }
    }
}

impl core::fmt::Display for Metric {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl core::str::FromStr for Metric {
    type Err = UnknownName;

    /// The metric that [`Metric::name`] gives this name.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|metric| metric.name() == name);
        found.ok_or_else(|| UnknownName::new("metric", &Self::ALL.map(Self::name), name))
    }
}
