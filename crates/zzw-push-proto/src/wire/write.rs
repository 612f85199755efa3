//! Writing frames: compact, strict, on one line, `t` first.

use super::name::{Slot, Slots};
use super::{Extra, Json, Mid, Num, Text, Texts, Token};
use lenient_wire::{push_text, push_utf8};
use memchr::memchr2;

/// Writes one object, member by member.
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// A member's name, given as `"name":`; the caller appends the value.
    #[inline]
    pub(crate) fn name(&mut self, quoted: &'static str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(quoted.as_bytes());
        self.out
    }

    pub(crate) fn t(&mut self, t: i64) -> &mut Self {
        let out = self.name("\"t\":");
        if t < 0 {
            out.push(b'-');
        }
        push_number(out, t.unsigned_abs());
        self
    }

    #[inline]
    pub(crate) fn text(&mut self, quoted: &'static str, utf8: &[u8]) -> &mut Self {
        push_utf8(self.name(quoted), utf8);
        self
    }

    pub(crate) fn number(&mut self, quoted: &'static str, number: u64) -> &mut Self {
        push_number(self.name(quoted), number);
        self
    }

    pub(crate) fn json(&mut self, quoted: &'static str, json: &Json) -> &mut Self {
        json.write(self.name(quoted));
        self
    }

    pub(crate) fn texts(&mut self, quoted: &'static str, texts: &Texts) -> &mut Self {
        texts.write(self.name(quoted));
        self
    }

    pub(crate) fn alias(&mut self, alias: Option<&Text>) -> &mut Self {
        if let Some(alias) = alias {
            self.text("\"alias\":", alias.as_utf8());
        }
        self
    }

    pub(crate) fn token(&mut self, token: Option<&Token>) -> &mut Self {
        if let Some(token) = token {
            self.text("\"token\":", token.0.as_utf8());
        }
        self
    }

    pub(crate) fn mid(&mut self, mid: &Mid) -> &mut Self {
        mid.write(self.name("\"mid\":"));
        self
    }

    pub(crate) fn num(&mut self, num: &Num) -> &mut Self {
        if *num != Num::Absent {
            num.write(self.name("\"num\":"));
        }
        self
    }

    /// What a message has beyond the members it is known for.
    #[inline]
    pub(crate) fn extra(&mut self, extra: &Extra, known: Slots) -> &mut Self {
        // Most messages have none of them.
        if !extra.is_none() {
            self.members(extra, known);
        }
        self
    }

    #[inline(never)]
    fn members(&mut self, extra: &Extra, known: Slots) {
        for (name, json) in extra.iter() {
            if Slot::of(name.as_bytes()).is_some_and(|slot| known.contains(slot)) {
                continue;
            }
            push_text(self.name(""), &name);
            self.out.push(b':');
            json.write(self.out);
        }
    }

    pub(crate) fn end(&mut self) {
        self.out.push(b'}');
    }
}

/// Appends JSON that was received, without the line breaks that may stand between its tokens.
///
/// They may come over REST and Socket.IO, and would end the line.
//= docs/spec/zzw-push-proto.md#message
//# The body of a message MUST be any JSON value and be delivered as the text it was published in,
//# but for line breaks between its tokens.
pub(crate) fn push_raw(out: &mut Vec<u8>, json: &[u8]) {
    let mut rest = json;
    while let Some(at) = memchr2(b'\n', b'\r', rest) {
        let (line, behind) = rest.split_at(at);
        out.extend_from_slice(line);
        rest = behind.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Appends a whole number.
#[inline]
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => out.push(b'0' | digit),
        _ => push_digits(out, number),
    }
}

#[inline(never)]
fn push_digits(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20]; // as many as there can be
    let (mut first, mut rest) = (digits.len(), number);
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        let [low, ..] = (rest % 10).to_le_bytes();
        *digit = b'0' | low;
        (first, rest) = (place, rest / 10);
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}
