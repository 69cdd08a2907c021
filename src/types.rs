//! The newtypes that every layer uses, and nothing else.

use core::fmt;

/// A caller's key for one record: a non-negative integer up to [`Id::MAX_NUMBER`], or a non-empty string.
///
/// An id never changes: no operation of the index renumbers it. The number 1 and the string `"1"` are two ids.
///
/// ```
/// use thermocline::Id;
///
/// let (number, text) = (Id::from(1), Id::from("1"));
/// assert_ne!(number, text);
/// assert_eq!((number.as_number(), number.as_text()), (Some(1), None));
/// assert_eq!((text.as_number(), text.as_text()), (None, Some("1")));
/// assert_eq!((number.to_string(), text.to_string()), ("1".to_owned(), "1".to_owned()));
/// assert_eq!(format!("{text:?}"), r#"Text("1")"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// A number in `0..=Id::MAX_NUMBER`.
    Number(u64),
    /// A string of 1 to [`Id::MAX_TEXT_BYTES`] bytes of UTF-8.
    Text(Box<str>),
}

impl Id {
    /// The largest number that JavaScript holds exactly, 2^53 - 1, so that every platform has the same range of ids.
    pub const MAX_NUMBER: u64 = (1 << 53) - 1;
    /// The longest string id, in bytes of UTF-8.
    pub const MAX_TEXT_BYTES: usize = 4096;

    /// The number, or `None` if the id is a string.
    pub const fn as_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }

    /// The string, or `None` if the id is a number.
    pub const fn as_text(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Text(text) => Some(text),
        }
    }

    /// A copy, unless there is no memory for it.
    pub(crate) fn try_clone(&self) -> Result<Self, OutOfMemory> {
        Ok(match self {
            Self::Number(number) => Self::Number(*number),
            Self::Text(text) => {
                let mut copy = String::new();
                copy.try_reserve_exact(text.len())?;
                copy.push_str(text);
                Self::Text(copy.into())
            }
        })
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// The number, or the string as it is.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// An id in a message: strings are quoted, so that 1 and "1" differ.
pub(crate) struct Quoted<'a>(pub(crate) &'a Id);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Id::Number(number) => write!(f, "{number}"),
            // Not escaped: that would pull in Unicode tables (size).
            Id::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

/// The error of parsing a string that is not the name of a metric or of a quantization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    pub(crate) option: &'static str,
    pub(crate) expected: String,
    pub(crate) received: String,
}

impl UnknownName {
    pub(crate) fn new(option: &'static str, names: &[&str], received: &str) -> Self {
        Self { option, expected: names.join(", "), received: received.to_owned() }
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected one of {}, received {}", self.option, self.expected, self.received)
    }
}

impl core::error::Error for UnknownName {}

/// The dense position of a record inside the index. Internal: compaction renumbers slots, never ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// The most slots an index may hold: a link keeps a bit beside a slot, and a search's candidate two.
    pub(crate) const MOST: usize = 1 << 30;

    /// Marks the absence of a slot in stored arrays; never a valid position.
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// The position as an array index.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Returns true for every slot but [`Slot::NONE`].
    #[inline]
    pub(crate) const fn is_some(self) -> bool {
        self.0 != u32::MAX
    }
}

/// How high a node reaches in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Level(pub(crate) u8);

impl Level {
    /// The level that every node is on.
    pub(crate) const BASE: Self = Self(0);
}

/// How far apart two vectors are. Smaller is closer, under every metric.
pub type Distance = f32;

/// One answer of a search below the layer that knows ids.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// Distance from the query.
    pub(crate) distance: Distance,
    /// Which record.
    pub(crate) slot: Slot,
}

/// The allocator refused. A call that returns this has changed nothing, unless its documentation says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory;

impl From<std::collections::TryReserveError> for OutOfMemory {
    fn from(_: std::collections::TryReserveError) -> Self {
        Self
    }
}
