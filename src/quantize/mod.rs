//! Vector -> code -> distance. Search walks the graph over codes, which are always resident; full vectors are needed
//! only to put the last few candidates into exact order.
//!
//! | file      | what                                                                        |
//! |-----------|-----------------------------------------------------------------------------|
//! | `space`   | the trait through which the graph asks for distances, never seeing a vector  |
//! | `none`    | the code is the vector itself, in f32                                        |
//! | `int8`    | one byte per dimension, in two halves, and a scale for each vector           |
//! | `nibbles` | the halves as they are stored and multiplied                                 |
//! | `binary`  | one bit per dimension                                                        |
//! | `sketch`  | the signs of a rotated vector, and what they tell of an inner product        |
//! | `rotate`  | the rotation, in integers                                                    |
//! | `product` | one byte per few dimensions, and a codebook                                  |
//! | `codebook`| the centroids that the bytes name                                            |
//! | `train`   | choosing them                                                                |
//! | `codes`   | all of them behind one enum                                                  |
//! | `block`   | codes made ready to be compared many with many                               |

mod binary;
mod block;
mod codebook;
mod codes;
mod int8;
mod nibbles;
mod none;
mod product;
mod rotate;
mod sketch;
mod space;
mod train;

use binary::BinaryCodes;
pub(crate) use block::{Block, BlockSpace, CODES_TOGETHER, Side};
pub(crate) use codes::Codes;
pub use codes::Quantization;
use int8::Int8Codes;
use none::F32Codes;
use product::ProductCodes;
pub(crate) use space::{Point, Scorer, Space};
pub(crate) use train::TRAINING_VECTORS;
