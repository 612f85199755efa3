//! Records of the face lane, made ready for the page.

use super::words;
use crate::demo::hub::FlowHandle;
use crate::demo::view::{Card, Tone};
use bytes::Bytes;
use face_record_push::Push;
use face_record_push::platform::Entry;
use std::fmt::Write as _;

/// Shows what the platform has kept, as it came and as a card.
pub(super) fn entry(handle: &FlowHandle, entry: &Entry, is_ours: bool, is_late: bool) {
    const JSON: &str = "application/json";
    handle.wire(false, "POST /Record", JSON, entry.push.json().clone());
    let mut card = card(entry);
    if !is_ours {
        // Writing to a string cannot fail.
        let _ = write!(card.place, " · {}", entry.serial);
        card.tags.push(words::from_outside());
    }
    if is_late {
        card.tags.push(words::late(entry));
        card.tone = Tone::Warn;
    }
    let jpeg = entry.push.picture().and_then(|image| image.jpeg().ok());
    let picture = jpeg.map(|jpeg| handle.picture(Bytes::from(jpeg)));
    card.pictures.extend(picture);
    handle.card(card);
}

fn card(entry: &Entry) -> Card {
    let mut card = Card {
        at: entry.push.time().unwrap_or(entry.received).0,
        title: "…".to_owned(),
        place: format!("№ {}", entry.seq.0),
        pictured: true,
        ..Card::default()
    };
    let Push::Record(record) = &entry.push else {
        return card;
    };
    if let Some(name) = record.user().and_then(|user| user.name()) {
        card.title = name.into_owned();
    }
    card.tags
        .extend(record.recognition_type().and_then(words::kind));
    card.tags.extend(record.pass().map(words::pass));
    if let Some(degrees) = record.temperature().filter(|degrees| *degrees > 0.0) {
        let _ = write!(card.place, " · {degrees:.1} °C");
    }
    if let Some(score) = record.score() {
        let _ = write!(card.place, " · {score:.2}");
    }
    card
}
