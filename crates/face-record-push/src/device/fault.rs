//! What a badly behaved terminal does.

/// A misbehaviour of terminals that receivers must bear.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Sends no `Content-Type`.
    NoContentType,
}
