//! What is read and sent, but might not be meant.

use super::GoodsId;
use std::fmt;

/// Something in a message that the document does not foresee. The message is none the worse for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// A member is longer than the document has it.
    OverDocumentedLength {
        /// The member.
        member: &'static str,
        /// Its length, in bytes.
        bytes: usize,
        /// The length that the document has, in bytes.
        documented: usize,
    },
    /// Less than nothing was taken. Put back, perhaps: the document is silent.
    NegativeCount {
        /// What was not taken.
        goods: GoodsId,
        /// How often.
        count: i32,
    },
}

impl Warning {
    pub(crate) fn of_length(member: &'static str, bytes: usize, documented: usize) -> Option<Self> {
        (bytes > documented).then_some(Self::OverDocumentedLength {
            member,
            bytes,
            documented,
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverDocumentedLength {
                member,
                bytes,
                documented,
            } => write!(
                f,
                "`{member}` has {bytes} bytes, the document allows {documented}"
            ),
            Self::NegativeCount { goods, count } => {
                write!(f, "{count} of goods {} were taken", goods.0)
            }
        }
    }
}
