//! Vector -> code -> distance. Search walks the graph over codes, which are always resident; full vectors are needed
//! only to put the last few candidates into exact order.
//!
//! | file      | what                                                                        |
//! |-----------|-----------------------------------------------------------------------------|
//! | `space`   | the traits through which the graph asks for distances, never seeing a vector |
//! | `none`    | the code is the vector itself, in f32                                        |
//! | `int8`    | one byte a dimension, in two halves, and a scale for each vector             |
//! | `nibbles` | the halves as they are stored and multiplied                                 |
//! | `codes`   | the two behind one enum, for everything that is not a hot loop               |

mod codes;
mod int8;
mod nibbles;
mod none;
mod space;

pub use codes::Quantization;
pub(crate) use codes::{Codes, with_space};
pub(crate) use int8::Int8Codes;
pub(crate) use none::F32Codes;
pub(crate) use space::{PointBuffer, Scorer, Space};
