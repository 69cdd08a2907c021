//! Which vectors may be indexed or searched for.

use super::{Config, Error, Index};
use crate::metric::Metric;

/// The longest vector: squared distances, and the product of two lengths, must stay finite in single precision.
const MOST_LENGTH: f64 = 1e17;
/// The range of a vector's length under cosine, where the product of two lengths must not vanish either.
const COSINE_LENGTHS: core::ops::RangeInclusive<f64> = 1e-18..=MOST_LENGTH;

impl Index {
    /// Checks that `vector` may be indexed or searched for. Linear in its dimensions; changes nothing.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], or [`Error::InvalidVector`] for a component that is not finite, for a vector so
    /// long that distances would overflow (a length over 1e17), and under cosine for one of no or almost no length
    /// (under 1e-18).
    pub fn check_vector(&self, vector: &[f32]) -> Result<(), Error> {
        self.inverse_norm(vector).map(|_| ())
    }

    /// The reciprocal of the vector's length under cosine, 1 under the other metrics.
    pub(crate) fn inverse_norm(&self, vector: &[f32]) -> Result<f64, Error> {
        self.config.inverse_norm(vector)
    }
}

impl Config {
    /// The reciprocal of the vector's length under cosine, 1 under the other metrics. Fails if the vector may not be
    /// indexed.
    pub(super) fn inverse_norm(&self, vector: &[f32]) -> Result<f64, Error> {
        let expected = self.dimensions;
        if vector.len() != expected {
            return Err(Error::DimensionMismatch { expected, received: vector.len() });
        }
        let length = squared_length(vector).sqrt();
        if !length.is_finite() {
            return Err(invalid(vector));
        }
        if self.metric != Metric::Cosine {
            return if length <= MOST_LENGTH { Ok(1.0) } else { Err(out_of_range(length)) };
        }
        if COSINE_LENGTHS.contains(&length) { Ok(1.0 / length) } else { Err(out_of_range(length)) }
    }
}

/// The squared length in double precision. Eight sums are added in a fixed order, so that every platform gets the same
/// bits.
fn squared_length(vector: &[f32]) -> f64 {
    let mut sums = [0f64; 8];
    let mut groups = vector.chunks_exact(8);
    for group in &mut groups {
        for (sum, &x) in sums.iter_mut().zip(group) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    let rest: f64 = groups.remainder().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    sums.iter().sum::<f64>() + rest
}

fn invalid(vector: &[f32]) -> Error {
    let at = vector.iter().position(|x| !x.is_finite()).unwrap_or_default();
    let value = match vector.get(at) {
        Some(x) if x.is_nan() => "NaN",
        Some(x) if *x > 0.0 => "infinity",
        _ => "-infinity",
    };
    Error::InvalidVector { reason: format!("expected finite components, received {value} at position {at}") }
}

fn out_of_range(length: f64) -> Error {
    let reason = if length == 0.0 {
        "expected a vector with a direction, received all zeros"
    } else if length < 1.0 {
        "expected a direction that single precision can hold, received a vector of almost no length"
    } else {
        "expected distances that single precision can hold, received a vector too long for it"
    };
    Error::InvalidVector { reason: reason.to_owned() }
}
