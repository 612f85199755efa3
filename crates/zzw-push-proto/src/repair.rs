//! Making JSON of what some devices and documents write instead (Z-9).

/// Repairs broken JSON in one pass: single quotes around texts, full-width commas, commas missing
/// between a member and the next name. `None` if there is nothing of that kind to repair.
///
/// Valid JSON has nothing to repair. What comes out is at most twice as long, and need not be JSON.
///
/// ```
/// use zzw_push_proto::repair::repair;
///
/// let repaired = repair("{'t': 1，'alias': 'm_2' \"num\":\"\"}".as_bytes()).expect("broken");
/// assert_eq!(repaired, br#"{"t": 1,"alias": "m_2" ,"num":""}"#);
/// assert_eq!(repair(br#"{"t":1,"alias":"it's fine"}"#), None);
/// ```
pub fn repair(json: &[u8]) -> Option<Vec<u8>> {
    let mut pass = Pass {
        rest: json,
        out: Vec::with_capacity(json.len().saturating_add(json.len() / 8)),
        objects: 0,
        depth: 0,
        after: After::Other,
        is_changed: false,
    };
    //= docs/spec/zzw-push-proto.md#lenience
    //# A repair MUST be one pass whose outcome is at most twice as long.
    while pass.step()? {}
    //= docs/spec/zzw-push-proto.md#lenience
    //# Valid JSON MUST NOT be changed by a repair.
    pass.is_changed.then_some(pass.out)
}

struct Pass<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
    objects: u64, // one bit per open container, set for an object; the innermost lowest
    depth: u32,
    after: After,
    is_changed: bool,
}

/// What stands before the next token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Colon,
    Value,
    Other,
}

impl Pass<'_> {
    /// Copies or repairs the next piece; false at the end, `None` if it is nested too deep.
    //= docs/spec/zzw-push-proto.md#lenience
    //# A lenient reader MUST repair single quotes around texts, full-width commas and commas that
    //# are missing between members.
    fn step(&mut self) -> Option<bool> {
        let Some((&first, behind)) = self.rest.split_first() else {
            return Some(false);
        };
        match first {
            b' ' | b'\t' | b'\n' | b'\r' => self.copy(1),
            b'"' => {
                self.comma_due();
                self.text(behind, b'"');
            }
            b'\'' => {
                self.comma_due();
                self.is_changed = true;
                self.text(behind, b'\'');
            }
            b'{' | b'[' => {
                if self.depth >= u64::BITS {
                    return None;
                }
                self.depth = self.depth.saturating_add(1);
                self.objects = (self.objects << 1) | u64::from(first == b'{');
                self.copy(1);
                self.after = After::Other;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.objects >>= 1;
                self.copy(1);
                self.after = After::Value;
            }
            b':' | b',' => {
                self.copy(1);
                self.after = if first == b':' {
                    After::Colon
                } else {
                    After::Other
                };
            }
            _ if self.rest.starts_with("，".as_bytes()) => {
                self.rest = self.rest.get("，".len()..).unwrap_or_default();
                self.out.push(b',');
                self.after = After::Other;
                self.is_changed = true;
            }
            _ => {
                //= docs/spec/zzw-push-proto.md#lenience
                //# A missing quote MUST NOT be repaired.
                // A number or a word, up to what ends it. `，` begins with a byte beyond ASCII.
                let ends = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"+-._".contains(byte));
                let end = self.rest.iter().position(ends).unwrap_or(self.rest.len());
                self.copy(end.max(1));
                if self.after == After::Colon {
                    self.after = After::Value;
                }
            }
        }
        Some(true)
    }

    /// Writes the comma that is missing between a member's value and the next name.
    fn comma_due(&mut self) {
        if self.after == After::Value && self.objects & 1 == 1 {
            self.out.push(b',');
            self.after = After::Other;
            self.is_changed = true;
        }
    }

    /// A text up to its closing quote, in double quotes.
    fn text(&mut self, mut rest: &[u8], quote: u8) {
        self.out.push(b'"');
        loop {
            rest = match rest {
                [] => break,
                [byte, behind @ ..] if *byte == quote => {
                    rest = behind;
                    self.out.push(b'"');
                    break;
                }
                [b'\\', b'\'', behind @ ..] if quote == b'\'' => {
                    self.out.push(b'\'');
                    behind
                }
                [b'\\', escaped, behind @ ..] => {
                    self.out.extend_from_slice(&[b'\\', *escaped]);
                    behind
                }
                [b'"', behind @ ..] => {
                    self.out.extend_from_slice(b"\\\"");
                    behind
                }
                [byte, behind @ ..] => {
                    self.out.push(*byte);
                    behind
                }
            };
        }
        let taken = self.rest.len().saturating_sub(rest.len());
        self.rest = self.rest.get(taken..).unwrap_or_default();
        // In an object a text behind a colon is a value, any other a name.
        let is_value = self.after == After::Colon || self.objects & 1 == 0;
        self.after = if is_value { After::Value } else { After::Other };
    }

    fn copy(&mut self, len: usize) {
        let (copied, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.out.extend_from_slice(copied);
        self.rest = rest;
    }
}
