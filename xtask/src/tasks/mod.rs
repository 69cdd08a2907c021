//! The tasks, one file each. `checks.rs` holds the stages that `test` and `lint` share.

pub(crate) mod bench;
pub(crate) mod build;
mod checks;
pub(crate) mod demo;
pub(crate) mod lint;
pub(crate) mod test;
