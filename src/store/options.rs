//! How a place is opened.

/// What a successful write survives. Both choices survive the end of the process, and both keep a commit whole whatever
/// happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power may lose the latest appends: the operating system writes them when it sees fit.
    #[default]
    Relaxed,
    /// A loss of power loses nothing: an append has succeeded only once it is on the medium.
    Strict,
}

/// What a place is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reading and writing, by one owner at a time.
    #[default]
    ReadWrite,
    /// Reading only, by any number of readers, also beside a writer. Nothing is changed, not even repaired.
    ReadOnly,
}

/// How a place is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// What a successful write survives.
    pub durability: Durability,
    /// What the place is opened for.
    pub mode: Mode,
}
