//! Lines over TCP.

use crate::LineError;
use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memrchr};

mod split;

pub use split::{LineSplitter, Lines};

/// Cuts a byte stream into lines (Z-39).
///
/// A line ends with `\n` or `\r\n`. Blank lines are skipped: they keep links alive. A line that is
/// longer than the limit is reported once, as soon as that is clear, and what comes of it is dropped
/// without being held. The work is linear in the bytes, however they are cut.
///
/// Each line may be kept and shares what was received. Whoever only looks at it reads faster with a
/// [`LineSplitter`].
///
/// ```
/// use bytes::BytesMut;
/// use zzw_push_proto::line::LineCodec;
///
/// let mut codec = LineCodec::default();
/// let mut received = BytesMut::from("{\"t\":1}\r\n\n{\"t\"");
/// assert_eq!(codec.decode(&mut received), Some(Ok("{\"t\":1}".into())));
/// assert_eq!(codec.decode(&mut received), None);
/// received.extend_from_slice(b":3}\n");
/// assert_eq!(codec.decode(&mut received), Some(Ok("{\"t\":3}".into())));
/// ```
#[derive(Clone)]
pub struct LineCodec {
    max_len: usize,
    whole: Bytes,      // lines that have come whole, each with its line feed
    searched: usize,   // bytes of the buffer known to hold no line feed
    is_skipping: bool, // inside a line that is too long
}

impl LineCodec {
    /// The longest line a server accepts unless told otherwise, in bytes: 64 KiB.
    //= docs/spec/zzw-push-proto.md#line
    //# A line MUST be taken up to 65536 bytes by a server and up to 98304 bytes by a device unless
    //# they are told otherwise.
    pub const SERVER_MAX: usize = 64 << 10;

    /// The longest line a device accepts unless told otherwise, in bytes: 96 KiB, a body of 64 KiB
    /// and what it comes in.
    //= docs/spec/zzw-push-proto.md#line
    //# A line MUST be taken up to 65536 bytes by a server and up to 98304 bytes by a device unless
    //# they are told otherwise.
    pub const DEVICE_MAX: usize = 96 << 10;

    /// A codec that accepts lines of up to `max_len` bytes, without the line feed.
    pub fn new(max_len: usize) -> Self {
        Self {
            max_len,
            whole: Bytes::new(),
            searched: 0,
            is_skipping: false,
        }
    }

    /// The limit, in bytes, without the line feed.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// Takes the next line out of what was received, without what ends it; `None` if more has to
    /// come first. Bytes that belong to no whole line stay in `received`, to be appended to.
    pub fn decode(&mut self, received: &mut BytesMut) -> Option<Result<Bytes, LineError>> {
        loop {
            if !self.is_skipping {
                // Many at once: else a flood of them would cost more than one of messages.
                let is_blank = |byte: &&u8| **byte == b'\n';
                let blank = self.whole.iter().take_while(is_blank).count();
                self.whole.advance(blank);
            }
            if let Some(end) = memchr(b'\n', &self.whole) {
                let mut line = self.take(end);
                if std::mem::take(&mut self.is_skipping) {
                    continue;
                }
                //= docs/spec/zzw-push-proto.md#line
                //# A line MUST end with a line feed, whether or not a carriage return comes before
                //# it.
                if let Some(b'\r') = line.last() {
                    line.truncate(end.saturating_sub(1));
                }
                if line.len() > self.max_len {
                    return Some(Err(self.too_long()));
                }
                //= docs/spec/zzw-push-proto.md#line
                //# Blank lines MUST be skipped.
                if !line.trim_ascii().is_empty() {
                    return Some(Ok(line));
                }
                continue;
            }
            // All lines that have come are split off at once: a line then costs little more than
            // the search for its end.
            //= docs/spec/zzw-push-proto.md#line
            //# Where a stream of bytes is cut MUST NOT change its lines.
            let unsearched = received.get(self.searched..).unwrap_or_default();
            let Some(last) = memrchr(b'\n', unsearched) else {
                return self.wait(received).map(Err);
            };
            let end = self.searched.saturating_add(last).saturating_add(1);
            self.searched = 0;
            self.whole = received.split_to(end).freeze();
        }
    }

    /// The first `end` bytes of what is whole, and away with the line feed behind them.
    fn take(&mut self, end: usize) -> Bytes {
        if end.saturating_add(1) >= self.whole.len() {
            let mut line = std::mem::take(&mut self.whole);
            line.truncate(end);
            return line;
        }
        let line = self.whole.split_to(end);
        self.whole.advance(1);
        line
    }

    /// There is no end of a line yet.
    //= docs/spec/zzw-push-proto.md#line
    //# A line beyond the limit MUST be reported once and MUST NOT be held.
    fn wait(&mut self, received: &mut BytesMut) -> Option<LineError> {
        self.searched = received.len();
        if self.is_skipping {
            received.clear();
            self.searched = 0;
            return None;
        }
        // A carriage return before the line feed does not count.
        let has_return = received.last() == Some(&b'\r');
        let len = received.len().saturating_sub(usize::from(has_return));
        if len <= self.max_len {
            return None;
        }
        received.clear();
        self.searched = 0;
        self.is_skipping = true;
        Some(self.too_long())
    }

    fn too_long(&self) -> LineError {
        LineError::TooLong { max: self.max_len }
    }
}

impl Default for LineCodec {
    /// A server's.
    fn default() -> Self {
        Self::new(Self::SERVER_MAX)
    }
}

//= docs/spec/zzw-push-proto.md#permission
//# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST NOT appear
//# in debug output.
impl std::fmt::Debug for LineCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineCodec")
            .field("max_len", &self.max_len)
            .field("whole", &self.whole.len())
            .field("is_skipping", &self.is_skipping)
            .finish_non_exhaustive()
    }
}

/// Appends a line and its line feed.
pub fn encode_line(json: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(json);
    out.push(b'\n');
}
