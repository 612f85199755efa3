//! What stands in documents and in no message.

use std::borrow::Cow;

/// JSON without the comments (`#`, `//`) and the trailing commas that samples in documents have:
/// blanks stand in their place.
///
/// Texts are left alone, and so is what has neither: JSON comes back as it is.
//= docs/spec/analyst-proto.md#message
//# Comments and trailing commas MUST be read by a reader for documents only, and never be written.
pub fn without_comments(json: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Cow::Borrowed(json);
    let blank = |out: &mut Cow<'_, [u8]>, at: usize| {
        if let Some(byte) = out.to_mut().get_mut(at) {
            *byte = b' ';
        }
    };
    let (mut place, mut comma, mut commas) = (Place::Between, 0, 0_usize);
    for (at, &byte) in json.iter().enumerate() {
        let next = json.get(at.saturating_add(1));
        match place {
            Place::Text if byte == b'\\' => place = Place::Escape,
            Place::Text if byte == b'"' => place = Place::Between,
            Place::Text => {}
            Place::Escape => place = Place::Text,
            Place::Comment if byte == b'\n' => place = Place::Between,
            Place::Comment => blank(&mut out, at),
            Place::Between => match byte {
                b'#' => {
                    place = Place::Comment;
                    blank(&mut out, at);
                }
                b'/' if next == Some(&b'/') => {
                    place = Place::Comment;
                    blank(&mut out, at);
                }
                b'"' => (place, commas) = (Place::Text, 0),
                b',' => (comma, commas) = (at, commas.saturating_add(1)),
                b']' | b'}' => {
                    // Two of them are none that anybody wrote on purpose.
                    if std::mem::take(&mut commas) == 1 {
                        blank(&mut out, comma);
                    }
                }
                b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => commas = 0,
            },
        }
    }
    out
}

#[derive(Clone, Copy)]
enum Place {
    Between,
    Text,
    Escape,
    Comment,
}
