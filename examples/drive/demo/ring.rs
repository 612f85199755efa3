//! The newest things of a kind, bounded in number and in bytes, found by number.

use std::collections::VecDeque;

/// Things with rising numbers; the oldest go when there are too many or too large ones.
#[derive(Debug)]
pub(super) struct Ring<T> {
    held: VecDeque<(u64, T, usize)>,
    next: u64,
    bytes: usize,
    max_held: usize,
    max_bytes: usize,
}

impl<T> Ring<T> {
    /// At most `max_held` things of together `max_bytes` bytes.
    pub(super) fn new(max_held: usize, max_bytes: usize) -> Self {
        Self {
            held: VecDeque::new(),
            next: 0,
            bytes: 0,
            max_held,
            max_bytes,
        }
    }

    /// Adds a thing of `len` bytes and gives its number.
    pub(super) fn push(&mut self, thing: T, len: usize) -> u64 {
        let id = self.next;
        self.next += 1;
        self.bytes += len;
        self.held.push_back((id, thing, len));
        while self.held.len() > self.max_held || self.bytes > self.max_bytes {
            match self.held.pop_front() {
                Some((_, _, len)) => self.bytes -= len,
                None => break,
            }
        }
        id
    }

    /// The thing with this number, if it is still held.
    pub(super) fn find(&self, id: u64) -> Option<&T> {
        let at = self.held.binary_search_by_key(&id, |(id, ..)| *id).ok()?;
        self.held.get(at).map(|(_, thing, _)| thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_go_when_there_are_too_many() {
        let mut ring = Ring::new(2, 100);
        let ids = ["a", "b", "c"].map(|thing| ring.push(thing, 1));
        assert_eq!(ids.map(|id| ring.find(id)), [None, Some(&"b"), Some(&"c")]);
    }

    #[test]
    fn oldest_go_when_they_are_too_large() {
        let mut ring = Ring::new(10, 5);
        let ids = [3, 3].map(|len| ring.push(len, len));
        assert_eq!(ids.map(|id| ring.find(id)), [None, Some(&3)]);
    }
}
