//! How a writer spells what can be spelled in several ways.

/// Spellings for a peer that does not read the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Dialect {
    /// How a result's name is written; [`ResultKey::Upper`].
    pub result_key: ResultKey,
    /// How `goods_ids` and `weight_info` are written; [`Nested::Native`].
    pub nested: Nested,
}

/// A result's name, of which the document has two spellings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ResultKey {
    /// `RESULT`, as in the document's examples.
    #[default]
    Upper,
    /// `result`, as in its tables.
    Lower,
    /// Both, with the same value.
    Both,
}

/// Members that the document's tables have as texts and its examples as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Nested {
    /// As JSON.
    #[default]
    Native,
    /// As texts that hold the same JSON.
    StringEncoded,
}

impl Dialect {
    /// The usual spellings but for a result's name.
    #[must_use]
    pub const fn with_result_key(self, result_key: ResultKey) -> Self {
        Self { result_key, ..self }
    }

    /// The usual spellings but for `goods_ids` and `weight_info`.
    #[must_use]
    pub const fn with_nested(self, nested: Nested) -> Self {
        Self { nested, ..self }
    }
}
