//! How much a reader puts up with.

/// How a reader takes what is not spelled as we write it.
///
/// What a stricter reader reads, a more lenient one reads alike.
//= docs/spec/analyst-proto.md#message
//# What a stricter reader reads, a more lenient one MUST read alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Lenience {
    /// Takes the spellings that peers in the field are known or likely to use: numbers in quotes,
    /// JSON in texts, names in another case, a byte order mark, members twice. True.
    pub other_spellings: bool,
    /// Takes comments (`#`, `//`) and trailing commas, as the samples of documents have them. False.
    pub comments: bool,
    /// How much a message may hold.
    pub limits: Limits,
}

/// How much a message may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Length of a message, in bytes; 65,536, beyond which the vendor's broker drops it.
    pub bytes: usize,
    /// Levels of nesting; 16, at most 64.
    pub depth: u32,
    /// Floors; 256.
    pub floors: usize,
    /// Goods on all floors together, and kinds of goods in a result; 4,096.
    pub goods: usize,
    /// Changes of weight; 4,096.
    pub weights: usize,
    /// Members that nobody knows, in each of the two objects; 256.
    pub extra: usize,
}

impl Lenience {
    /// Takes only what we would write, in any order and with any white space.
    pub fn strict() -> Self {
        Self {
            other_spellings: false,
            comments: false,
            limits: Limits::default(),
        }
    }

    /// Takes whatever a peer in the field could send.
    pub fn field() -> Self {
        Self {
            other_spellings: true,
            ..Self::strict()
        }
    }

    /// Takes also what only the samples of documents have.
    pub fn document() -> Self {
        Self {
            comments: true,
            ..Self::field()
        }
    }
}

impl Default for Lenience {
    /// [`Lenience::field`]
    fn default() -> Self {
        Self::field()
    }
}

impl Default for Limits {
    fn default() -> Self {
        //= docs/spec/analyst-proto.md#message
        //# A reader MUST refuse a message that is longer than 65536 bytes, nested deeper than 16
        //# levels or has more than 256 floors, 4096 goods, 4096 changes of weight or 256 members
        //# that nobody knows, unless it is told other limits.
        Self {
            bytes: 65_536,
            depth: 16,
            floors: 256,
            goods: 4_096,
            weights: 4_096,
            extra: 256,
        }
    }
}
