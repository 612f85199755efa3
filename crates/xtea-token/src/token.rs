//! Token formats: what is encrypted, how, and how it is written.

use core::fmt;
use core::ops::Deref;

use crate::cipher::{Key, WordOrder, Xtea};
use crate::claims::{Claim, Claims};
use crate::error::{IssueError, Rejected};
use crate::mode::Mode;
use crate::padding::Padding;
use crate::text::Text;

/// The longest text that is looked at, in bytes.
pub(crate) const MAX_TOKEN: usize = 512;
/// The longest plaintext, in bytes.
const MAX_PLAINTEXT: usize = 144;
/// The longest ciphertext, in blocks.
const MAX_BLOCKS: usize = 19;
/// The longest ciphertext, in bytes.
const MAX_CIPHERTEXT: usize = 8 * MAX_BLOCKS;

/// Room for the plaintext of any token.
pub type Buffer = [u8; MAX_CIPHERTEXT];

/// How the tokens of one deployment are made: data, to be read from a configuration.
///
/// The vendor's document says "encrypted with XTEA" and no more, so every part is a choice. Start
/// from [`LEGACY`](Self::LEGACY); [`identify`](crate::identify) finds the parts a deployed server
/// uses from one captured token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub struct TokenFormat {
    /// Word order of the cipher; default big.
    pub order: WordOrder,
    /// Chaining; default ECB.
    pub mode: Mode,
    /// Padding; default PKCS#7.
    pub padding: Padding,
    /// Text form; default lower-case hexadecimal.
    pub text: Text,
    /// Plaintext; default milliseconds.
    pub claims: Claims,
}

/// A format with a key: the schedule is computed once for many tokens.
#[derive(Debug, Clone)]
pub struct KeyedFormat {
    format: TokenFormat,
    cipher: Xtea,
}

/// An issued token, at most 320 bytes of ASCII on the stack; `Debug` hides it.
#[derive(Clone)]
pub struct TokenText {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl TokenFormat {
    /// Big-endian, ECB, PKCS#7, lower-case hexadecimal, milliseconds: what Java programs do when
    /// they ask Bouncy Castle for `XTEA`.
    pub const LEGACY: Self = Self {
        order: WordOrder::Big,
        mode: Mode::Ecb,
        padding: Padding::Pkcs7,
        text: Text::HexLower,
        claims: Claims::UnixMillis,
    };

    /// Formats met in the field, by the name a configuration file or command line can use.
    pub const PRESETS: &'static [(&'static str, Self)] = &[
        ("legacy", Self::LEGACY),
        ("legacy-upper", Self::LEGACY.with_text(Text::HexUpper)),
        ("legacy-base64", Self::LEGACY.with_text(Text::Base64)),
        (
            "legacy-base64url",
            Self::LEGACY.with_text(Text::Base64UrlNoPad),
        ),
        (
            "legacy-seconds",
            Self::LEGACY.with_claims(Claims::UnixSeconds),
        ),
        ("zero-padded", Self::LEGACY.with_padding(Padding::Zero)),
        (
            "length-prefixed",
            Self::LEGACY.with_padding(Padding::LenPrefixBe),
        ),
        ("little-endian", Self::LEGACY.with_order(WordOrder::Little)),
    ];

    /// The preset of that name, one of [`Self::PRESETS`].
    pub fn preset(name: &str) -> Option<Self> {
        let (_, format) = Self::PRESETS.iter().find(|(known, _)| *known == name)?;
        Some(*format)
    }

    /// This format with another word order.
    #[must_use]
    pub const fn with_order(mut self, order: WordOrder) -> Self {
        self.order = order;
        self
    }

    /// This format with another chaining mode.
    #[must_use]
    pub const fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// This format with another padding.
    #[must_use]
    pub const fn with_padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// This format with another text form.
    #[must_use]
    pub const fn with_text(mut self, text: Text) -> Self {
        self.text = text;
        self
    }

    /// This format with another kind of plaintext.
    #[must_use]
    pub const fn with_claims(mut self, claims: Claims) -> Self {
        self.claims = claims;
        self
    }

    /// This format under `key`, for more than one token.
    pub const fn keyed(self, key: &Key) -> KeyedFormat {
        KeyedFormat {
            cipher: Xtea::new(key, self.order),
            format: self,
        }
    }

    /// Makes one token; see [`KeyedFormat::issue`].
    ///
    /// ```
    /// use xtea_token::{Claim, Key, TokenFormat, UnixMillis};
    ///
    /// let key = Key::from_hex("000102030405060708090a0b0c0d0e0f")?;
    /// let token = TokenFormat::LEGACY.issue(&key, Claim::At(UnixMillis(1_501_234_567_890)))?;
    /// assert_eq!(&*token, "80c8075e1bf49c61388e2146c387fe3a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`KeyedFormat::issue`].
    pub fn issue(&self, key: &Key, claim: Claim<'_>) -> Result<TokenText, IssueError> {
        self.keyed(key).issue(claim)
    }

    /// Opens one token; see [`KeyedFormat::open`].
    ///
    /// # Errors
    ///
    /// Those of [`KeyedFormat::open`].
    pub fn open<'b>(
        &self,
        key: &Key,
        token: &str,
        buffer: &'b mut Buffer,
    ) -> Result<Claim<'b>, Rejected> {
        self.keyed(key).open(token, buffer)
    }

    pub(crate) fn issue_with(
        &self,
        cipher: &Xtea,
        claim: Claim<'_>,
    ) -> Result<TokenText, IssueError> {
        let mut digits = [0; 13];
        let plaintext = self.claims.write(claim, &mut digits)?;
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(IssueError::Length);
        }
        let mut blocks = [[0; 8]; MAX_BLOCKS];
        let prefix = self.mode.prefix_blocks();
        let body = blocks.get_mut(prefix..).unwrap_or_default();
        let padded = self.padding.pad(plaintext, body.as_flattened_mut())?;
        let used = prefix.saturating_add(padded / 8);
        let blocks = blocks.get_mut(..used).ok_or(IssueError::Length)?;
        self.mode.encrypt(cipher, blocks);
        TokenText::build(|out| self.text.encode(blocks.as_flattened(), out))
            .ok_or(IssueError::Length)
    }
}

impl fmt::Display for TokenFormat {
    /// One line of words, as `identify` prints it; an initialisation vector is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.order {
            WordOrder::Big => "big-endian ",
            WordOrder::Little => "little-endian ",
        })?;
        f.write_str(match self.mode {
            Mode::Ecb => "ecb ",
            Mode::Cbc {
                iv: [0, 0, 0, 0, 0, 0, 0, 0],
            } => "cbc-iv-zero ",
            Mode::Cbc { .. } => "cbc ",
            Mode::CbcIvPrefix { .. } => "cbc-iv-prefix ",
        })?;
        f.write_str(match self.padding {
            Padding::Pkcs7 => "pkcs7 ",
            Padding::Zero => "zero ",
            Padding::ZeroAlways => "zero-always ",
            Padding::None => "no-padding ",
            Padding::LenPrefixBe => "len-prefix ",
        })?;
        f.write_str(match self.text {
            Text::HexLower => "hex-lower ",
            Text::HexUpper => "hex-upper ",
            Text::Base64 => "base64 ",
            Text::Base64UrlNoPad => "base64url ",
        })?;
        match self.claims {
            Claims::UnixMillis => f.write_str("unix-millis"),
            Claims::UnixSeconds => f.write_str("unix-seconds"),
            Claims::AliasThenMillis { separator } => {
                write!(f, "alias{}unix-millis", separator.escape_ascii())
            }
            Claims::Opaque => f.write_str("opaque"),
        }
    }
}

impl KeyedFormat {
    /// The format.
    pub const fn format(&self) -> TokenFormat {
        self.format
    }

    /// Makes a token.
    ///
    /// # Errors
    ///
    /// [`IssueError::Unsafe`] for [`Claims::AliasThenMillis`], [`IssueError::WrongClaim`] when the
    /// claim is not of the format's kind, the others when it cannot be written in this format.
    pub fn issue(&self, claim: Claim<'_>) -> Result<TokenText, IssueError> {
        self.format.issue_with(&self.cipher, claim)
    }

    /// Decrypts a token and reads its claim, judging form alone: whether the time is acceptable is
    /// for [`Verifier`](crate::Verifier) to say.
    ///
    /// # Errors
    ///
    /// [`Rejected`] unless `token` is the one canonical spelling of a claim of this format.
    pub fn open<'b>(&self, token: &str, buffer: &'b mut Buffer) -> Result<Claim<'b>, Rejected> {
        let token = Ciphertext::decode(self.format.text, token).ok_or(Rejected::new())?;
        let raw = token.decrypt(&self.cipher);
        raw.open(&token, &self.format, buffer)
            .ok_or(Rejected::new())
    }
}

impl TokenText {
    /// The longest issued token, in bytes.
    pub const CAPACITY: usize = 320;

    /// A text of the ASCII bytes that `write` puts at the front of its argument.
    pub(crate) fn build(
        write: impl FnOnce(&mut [u8; Self::CAPACITY]) -> Option<usize>,
    ) -> Option<Self> {
        let mut text = Self {
            bytes: [0; Self::CAPACITY],
            len: 0,
        };
        text.len = write(&mut text.bytes)?;
        Some(text)
    }

    /// The token as it goes into the path segment.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Deref for TokenText {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for TokenText {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Display for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(..)")
    }
}

/// The whole blocks that a token's text spells.
#[derive(Clone)]
pub(crate) struct Ciphertext {
    blocks: [[u8; 8]; MAX_BLOCKS],
    len: usize, // in blocks, at least 1
}

impl Ciphertext {
    /// `None` unless `token` is the canonical spelling of 1 to 19 blocks.
    //= docs/spec/xtea-token.md#limits
    //# A token of more than 512 bytes MUST be rejected before it is decoded.
    pub(crate) fn decode(text: Text, token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let mut blocks = [[0; 8]; MAX_BLOCKS];
        let bytes = text.decode(token.as_bytes(), blocks.as_flattened_mut())?;
        //= docs/spec/xtea-token.md#limits
        //# The ciphertext MUST be a positive multiple of 8 bytes and at most 152 bytes long.
        let len = bytes.len() / 8;
        let whole = !bytes.is_empty() && bytes.len() % 8 == 0;
        whole.then_some(Self { blocks, len })
    }

    pub(crate) fn blocks(&self) -> &[[u8; 8]] {
        self.blocks.get(..self.len).unwrap_or_default()
    }

    /// The cipher's output for every block, before unchaining: the costly part of opening.
    pub(crate) fn decrypt(&self, cipher: &Xtea) -> Raw {
        let mut raw = self.blocks;
        cipher.decrypt_blocks(raw.get_mut(..self.len).unwrap_or_default());
        Raw(raw)
    }
}

/// Decrypted blocks that are not yet unchained; the same for every mode.
#[derive(Clone)]
pub(crate) struct Raw([[u8; 8]; MAX_BLOCKS]);

impl Raw {
    /// Unchains, unpads and reads the claim of `token`, of which this is the raw decryption.
    pub(crate) fn open<'b>(
        &self,
        token: &Ciphertext,
        format: &TokenFormat,
        buffer: &'b mut Buffer,
    ) -> Option<Claim<'b>> {
        let mut blocks = self.0;
        format.mode.unchain(token.blocks(), &mut blocks);
        let blocks = blocks.get(format.mode.prefix_blocks()..token.len)?;
        let (bytes, _) = buffer.split_at_mut_checked(blocks.as_flattened().len())?;
        bytes.copy_from_slice(blocks.as_flattened());
        if bytes.is_empty() {
            return None;
        }
        let unpadded = format.padding.unpad(bytes);
        let claim = format.claims.read(unpadded.plaintext);
        //= docs/spec/xtea-token.md#limits
        //# The plaintext MUST be at most 144 bytes long.
        let fits = unpadded.plaintext.len() <= MAX_PLAINTEXT;
        claim.filter(|_| unpadded.canonical && fits)
    }
}
