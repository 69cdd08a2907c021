//! Data that a record carries besides its vector.

use super::Error;
use crate::arena::PayloadKind;

/// Data that a record carries besides its vector. It is stored as bytes and returned as given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// JSON text. It is not parsed, and is returned as given. In JavaScript, which parses it, reading a record whose
    /// text is not JSON is `CORRUPT`, also as a hit of a search.
    Json(&'a str),
    /// Raw bytes.
    Bytes(&'a [u8]),
}

impl<'a> Payload<'a> {
    pub(super) fn to_parts(payload: Option<Self>) -> (PayloadKind, &'a [u8]) {
        match payload {
            None => (PayloadKind::None, &[]),
            Some(Self::Json(text)) => (PayloadKind::Json, text.as_bytes()),
            Some(Self::Bytes(bytes)) => (PayloadKind::Bytes, bytes),
        }
    }

    /// JSON text is checked to be UTF-8 wherever it comes in. If it is not, it is returned as bytes.
    pub(super) fn from_parts(kind: PayloadKind, bytes: &'a [u8]) -> Option<Self> {
        match kind {
            PayloadKind::None => None,
            PayloadKind::Json => Some(str::from_utf8(bytes).map_or(Self::Bytes(bytes), Self::Json)),
            PayloadKind::Bytes => Some(Self::Bytes(bytes)),
        }
    }
}

pub(super) fn too_long(received: usize) -> Error {
    Error::InvalidOption {
        option: "payload",
        expected: format!("at most {} bytes", crate::arena::MAX_PAYLOAD_BYTES),
        received: format!("{received} bytes"),
    }
}
