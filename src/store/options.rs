//! How a place is opened.

/// What a write that has succeeded outlives. Both outlive the process, and both keep a commit whole whatever happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power may cost the latest appends: the operating system writes them when it sees fit.
    #[default]
    Relaxed,
    /// A loss of power costs nothing: an append has succeeded once it is on the medium.
    Strict,
}

/// What a place is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reading and writing, by one at a time.
    #[default]
    ReadWrite,
    /// Reading only, by any number and beside a writer. Nothing is changed, not even repaired.
    ReadOnly,
}

/// How a place is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// What a write that has succeeded outlives.
    pub durability: Durability,
    /// What the place is opened for.
    pub mode: Mode,
}
