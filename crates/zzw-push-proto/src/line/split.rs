//! Lines straight out of what was read.

use crate::LineError;
use memchr::memchr;
use std::fmt;

/// Cuts a byte stream into lines that are only lent, as [`LineCodec`](super::LineCodec) cuts it into
/// lines to be kept.
///
/// A line that comes whole is a piece of what was read: it is neither copied nor counted. Only what
/// a read leaves behind its last line feed is copied, until the rest of its line comes.
///
/// ```
/// use zzw_push_proto::line::LineSplitter;
///
/// let mut splitter = LineSplitter::default();
/// let mut lines = splitter.split(b"{\"t\":1}\r\n\n{\"t\"");
/// assert_eq!(lines.next_line(), Some(Ok(&b"{\"t\":1}"[..])));
/// assert_eq!(lines.next_line(), None);
/// let mut lines = splitter.split(b":3}\n");
/// assert_eq!(lines.next_line(), Some(Ok(&b"{\"t\":3}"[..])));
/// ```
#[derive(Clone)]
pub struct LineSplitter {
    max_len: usize,
    partial: Vec<u8>, // a line that began in an earlier read
    place: Place,
}

/// Where a splitter stands in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    Inside,  // a line, of which `partial` has come
    Behind,  // the line in `partial`, which was handed out
    TooLong, // inside a line that is skipped
}

/// The lines of one read.
///
/// Whoever stops before [`Self::next_line`] says `None` has to split [`Self::rest`] later, before
/// what is read next.
pub struct Lines<'s, 'r> {
    splitter: &'s mut LineSplitter,
    rest: &'r [u8],
}

impl LineSplitter {
    /// A splitter that accepts lines of up to `max_len` bytes, without the line feed.
    pub fn new(max_len: usize) -> Self {
        Self {
            max_len,
            partial: Vec::new(),
            place: Place::Between,
        }
    }

    /// The limit, in bytes, without the line feed.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// The lines of what was read now.
    pub fn split<'r>(&mut self, read: &'r [u8]) -> Lines<'_, 'r> {
        Lines {
            splitter: self,
            rest: read,
        }
    }

    /// A line, without what ends it; `None` if it says nothing.
    #[inline]
    fn line<'a>(&self, line: &'a [u8]) -> Option<Result<&'a [u8], LineError>> {
        // What most lines are, at the price of two looks.
        if let [b'!'..=0xff, .., b'!'..=0xff] = line {
            if line.len() <= self.max_len {
                return Some(Ok(line));
            }
        }
        //= docs/spec/zzw-push-proto.md#line
        //# A line MUST end with a line feed, whether or not a carriage return comes before it.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.max_len {
            return Some(Err(self.too_long()));
        }
        //= docs/spec/zzw-push-proto.md#line
        //# Blank lines MUST be skipped.
        let is_blank = line.trim_ascii_start().is_empty();
        (!is_blank).then_some(Ok(line))
    }

    /// Reads to the end of the line that began in an earlier read. Says whether it is to be handed
    /// out, which is what `partial` then is, and what follows.
    #[inline(never)]
    fn finish<'a>(&mut self, read: &'a [u8]) -> (Option<Result<(), LineError>>, &'a [u8]) {
        let Some((end, behind)) = split_line(read) else {
            return (self.keep(read).map(Err), &[]);
        };
        if self.place == Place::TooLong {
            self.place = Place::Between;
            return (None, behind);
        }
        // What is too long, with a carriage return too, need not be copied to be found so.
        let end = end.get(..self.max_len.saturating_add(2)).unwrap_or(end);
        self.partial.extend_from_slice(end);
        self.place = Place::Behind;
        let is_line = self.line(&self.partial).is_some();
        (is_line.then_some(Ok(())), behind)
    }

    /// Keeps what has come of a line whose end has not.
    //= docs/spec/zzw-push-proto.md#line
    //# A line beyond the limit MUST be reported once and MUST NOT be held.
    #[inline(never)]
    fn keep(&mut self, part: &[u8]) -> Option<LineError> {
        if part.is_empty() || self.place == Place::TooLong {
            return None;
        }
        // A carriage return before the line feed does not count.
        let has_return = part.last() == Some(&b'\r');
        let len = self.partial.len().saturating_add(part.len());
        if len.saturating_sub(usize::from(has_return)) > self.max_len {
            self.partial = Vec::new();
            self.place = Place::TooLong;
            return Some(self.too_long());
        }
        self.partial.extend_from_slice(part);
        self.place = Place::Inside;
        None
    }

    /// Forgets the line that was handed out.
    #[inline]
    fn forget(&mut self) {
        if self.place == Place::Behind {
            self.partial.clear();
            self.place = Place::Between;
        }
    }

    fn too_long(&self) -> LineError {
        LineError::TooLong { max: self.max_len }
    }
}

impl<'r> Lines<'_, 'r> {
    /// The next line, without what ends it; `None` if more has to be read first.
    #[inline]
    pub fn next_line(&mut self) -> Option<Result<&[u8], LineError>> {
        // Nothing that is called here has a reference to `self`, which therefore stays in registers.
        self.splitter.forget();
        if self.splitter.place != Place::Between {
            let (found, behind) = self.splitter.finish(self.rest);
            self.rest = behind;
            match found {
                Some(Ok(())) => return self.splitter.line(&self.splitter.partial),
                Some(Err(error)) => return Some(Err(error)),
                None => self.splitter.forget(),
            }
        }
        while let Some((line, behind)) = split_line(self.rest) {
            self.rest = behind;
            if let Some(line) = self.splitter.line(line) {
                return Some(line);
            }
        }
        let part = std::mem::take(&mut self.rest);
        self.splitter.keep(part).map(Err)
    }

    /// What was read and not yet handed out.
    pub fn rest(&self) -> &'r [u8] {
        self.rest
    }
}

impl Default for LineSplitter {
    /// A server's.
    fn default() -> Self {
        Self::new(super::LineCodec::SERVER_MAX)
    }
}

/// Without what was received.
impl fmt::Debug for LineSplitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineSplitter")
            .field("max_len", &self.max_len)
            .field("partial", &self.partial.len())
            .field("place", &self.place)
            .finish()
    }
}

/// Without what was received.
impl fmt::Debug for Lines<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("splitter", &self.splitter)
            .field("rest", &self.rest.len())
            .finish()
    }
}

/// What stands before the first line feed, and what behind it.
#[inline]
fn split_line(read: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, behind) = read.split_at_checked(memchr(b'\n', read)?)?;
    Some((line, behind.get(1..)?))
}
