//! How a place is opened.

/// What a successful write survives. In both modes it survives the end of the process, and a commit is never applied in
/// part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power failure may lose the latest appends: the operating system writes them when it sees fit.
    #[default]
    Relaxed,
    /// A power failure loses nothing: an append succeeds only once it is on the medium.
    Strict,
}

/// What a place is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reading and writing, by one owner at a time.
    #[default]
    ReadWrite,
    /// Reading only, by any number of readers, even beside a writer. Nothing is changed or repaired.
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
