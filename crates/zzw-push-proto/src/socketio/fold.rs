//! Text that was encoded twice, and text that survives it.

use bytes::Bytes;

/// Undoes the double encoding of one link.
///
/// Clients of Socket.IO 1.x encode what they poll as UTF-8 twice, later ones and other transports
/// once, and nothing on the link says which. The first packet with a character that tells settles
/// it. Only for links of Engine.IO 3 that were opened by polling.
///
/// ```
/// use zzw_push_proto::socketio::{Fold, FoldMemory};
///
/// let twice: String = "小明".bytes().map(char::from).collect();
/// let mut fold = Fold::default();
/// assert_eq!(fold.fold(twice.into()), "小明");
/// assert_eq!(fold.memory(), FoldMemory::Twice);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fold {
    memory: FoldMemory,
    folded: u64,
    kept: u64,
}

/// What a link has shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FoldMemory {
    /// Only ASCII, or nothing that tells.
    #[default]
    Unknown,
    /// A text that was encoded twice. Texts that were not are still kept as they are: the same link
    /// encodes once after its upgrade to a websocket.
    Twice,
    /// A character no text encoded twice can have. Nothing is folded from then on.
    Plain,
}

impl Fold {
    /// The text as its author wrote it. One pass; copies only what it folds.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# Text MUST arrive byte for byte at every other client, whichever client and transport it came
    //# from.
    pub fn fold(&mut self, packet: Bytes) -> Bytes {
        if self.memory == FoldMemory::Plain || packet.is_ascii() {
            return packet;
        }
        match folded(&packet) {
            Verdict::Folded(text) => {
                self.memory = FoldMemory::Twice;
                self.folded = self.folded.saturating_add(1);
                text.into()
            }
            Verdict::Wide if self.memory == FoldMemory::Unknown => {
                //= docs/spec/zzw-push-proto.md#doubly-encoded-text
                //# A link on which a character above U+00FF came before any text was decoded once
                //# more MUST be taken to encode once from then on.
                self.memory = FoldMemory::Plain;
                packet
            }
            //= docs/spec/zzw-push-proto.md#doubly-encoded-text
            //# A link that encodes twice MUST be read right when it encodes once after its upgrade.
            Verdict::Wide | Verdict::Neither => {
                //= docs/spec/zzw-push-proto.md#doubly-encoded-text
                //# Text that might be encoded twice and cannot be decoded once more MUST be kept as
                //# it is and counted.
                self.kept = self.kept.saturating_add(1);
                packet
            }
        }
    }

    /// What the link has shown so far.
    pub fn memory(&self) -> FoldMemory {
        self.memory
    }

    /// How many packets were folded.
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// How many packets were kept although they might have been encoded twice.
    pub fn kept(&self) -> u64 {
        self.kept
    }
}

/// Appends a packet with every character outside ASCII as `\uXXXX`, in surrogate pairs where it
/// needs one.
///
/// Such a packet reads the same whether its receiver decodes it once or twice, and its length is
/// the same in bytes, characters and UTF-16 units. For JSON, where such characters stand in
/// strings only.
///
/// ```
/// # use zzw_push_proto::socketio::escape;
/// let mut out = Vec::new();
/// escape(r#"2["push",{"msg":"门🚪"}]"#, &mut out);
/// assert_eq!(out, br#"2["push",{"msg":"\u95e8\ud83d\udeaa"}]"#);
/// ```
pub fn escape(packet: &str, out: &mut Vec<u8>) {
    let mut rest = packet;
    while let Some(at) = rest.bytes().position(|byte| !byte.is_ascii()) {
        let (plain, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.extend_from_slice(plain.as_bytes());
        let mut chars = behind.chars();
        if let Some(char) = chars.next() {
            for unit in char.encode_utf16(&mut [0; 2]) {
                push_unit(out, *unit);
            }
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

enum Verdict {
    Folded(String),
    /// A character above U+00FF: encoded once.
    Wide,
    /// Could be either, and is no UTF-8 when folded.
    Neither,
}

//= docs/spec/zzw-push-proto.md#doubly-encoded-text
//# Text that came over Engine.IO 3 on a link opened by polling MUST be decoded once more if no
//# character is above U+00FF and their low bytes are UTF-8 beyond ASCII.
fn folded(packet: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(packet) else {
        return Verdict::Neither;
    };
    let mut low = Vec::with_capacity(text.len());
    for char in text.chars() {
        match u8::try_from(char) {
            Ok(byte) => low.push(byte),
            Err(_) => return Verdict::Wide,
        }
    }
    String::from_utf8(low).map_or(Verdict::Neither, Verdict::Folded)
}

fn push_unit(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let nibble = u32::from(unit >> shift) & 0xf;
        let digit = char::from_digit(nibble, 16).unwrap_or('0');
        out.push(u8::try_from(digit).unwrap_or(b'0'));
    }
}
