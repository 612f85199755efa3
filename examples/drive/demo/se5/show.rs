//! Events and messages of the SE5 lane, made ready for the page.

use super::{place, words};
use crate::demo::hub::FlowHandle;
use crate::demo::view::{Card, Tag, Text, Tone, text};
use crate::http::Client;
use crate::se5::Wire;
use bytes::Bytes;
use se5_events::platform::{Freshness, Source};
use se5_events::{Answer, Ask, DeviceInfo, Dialect, EventError, FaceEvent, Limits, Picture, codec};
use tokio::sync::mpsc;

/// Shows what arrives, fetching the pictures that did not come along.
pub(super) struct Gallery {
    handle: FlowHandle,
    cameras: Vec<DeviceInfo>,
    incomplete: mpsc::Sender<Incomplete>,
}

/// A card without its pictures, and where they are.
struct Incomplete {
    card: Card,
    dialect: Dialect,
    pictures: [Picture; 2],
}

/// Events that wait for their pictures; one more is shown without.
const MAX_INCOMPLETE: usize = 128;

impl Gallery {
    pub(super) fn new(handle: FlowHandle, http: String, cameras: Vec<DeviceInfo>) -> Self {
        let (incomplete, waiting) = mpsc::channel(MAX_INCOMPLETE);
        tokio::spawn(complete(handle.clone(), http, waiting));
        Self {
            handle,
            cameras,
            incomplete,
        }
    }

    pub(super) fn face(&self, event: &FaceEvent, freshness: Freshness, source: Source) {
        let card = self.card(event, freshness, source);
        let pictures = [event.face_picture(), event.registered_picture()];
        let is_remote = |picture: &Picture| matches!(picture, Picture::Remote(_));
        if !pictures.iter().any(is_remote) {
            return show(&self.handle, card, pictures.each_ref().map(inline));
        }
        let waiting = Incomplete {
            card,
            dialect: event.dialect(),
            pictures,
        };
        if let Err(unsent) = self.incomplete.try_send(waiting) {
            show(&self.handle, unsent.into_inner().card, []);
        }
    }

    pub(super) fn malformed(&self, error: &EventError) {
        self.handle.card(Card {
            at: crate::clock::unix_now().0,
            title: "…".to_owned(),
            place: error.to_string(),
            tags: vec![Tag::new(text("malformed", "格式损坏"), Tone::Bad)],
            tone: Tone::Bad,
            ..Card::default()
        });
    }

    pub(super) fn remark(&self, remark: impl Into<Text>) {
        self.handle.card(Card {
            at: crate::clock::unix_now().0,
            place: " ".to_owned(),
            tags: vec![Tag::new(remark.into(), Tone::Warn)],
            tone: Tone::Warn,
            ..Card::default()
        });
    }

    pub(super) fn wire(&self, wire: Wire) {
        const JSON: &str = "application/json";
        match wire {
            Wire::Sent(bytes) => self.handle.wire(true, "WebSocket", JSON, bytes),
            Wire::Received(bytes) => self.handle.wire(false, "WebSocket", JSON, bytes),
            Wire::Asked { method, url, body } => {
                self.handle
                    .wire(true, format!("{method} {url}"), JSON, body);
            }
            Wire::Answered { url, status, body } => {
                let kind = if body.starts_with(b"\xff\xd8") {
                    "image/jpeg"
                } else {
                    JSON
                };
                self.handle
                    .wire(false, format!("{status} {url}"), kind, body);
            }
        }
    }

    fn card(&self, event: &FaceEvent, freshness: Freshness, source: Source) -> Card {
        let (id, ip) = (event.device_id(), event.device_ip());
        let (list, tone) = words::person(&event.person().kind);
        let mut tags = vec![Tag::new(list, tone)];
        if source != Source::Live {
            tags.push(Tag::new(text("fetched later", "事后补取"), Tone::Warn));
        } else if let Some((remark, tone)) = words::freshness(freshness) {
            tags.push(Tag::new(remark, tone));
        }
        let mut place = place(
            &self.cameras,
            &id.unwrap_or_default(),
            &ip.unwrap_or_default(),
        );
        if let Some(group) = event.group_name().filter(|group| !group.is_empty()) {
            place = format!("{place} · {group}");
        }
        if let Some(score) = event.score() {
            place = format!("{place} · {score:.2}");
        }
        Card {
            at: event.timestamp().map_or(0, |timestamp| timestamp.unix.0),
            title: event.identity_name().unwrap_or_default().into_owned(),
            place,
            tags,
            pictured: true,
            tone: if source == Source::Live {
                Tone::Plain
            } else {
                Tone::Warn
            },
            ..Card::default()
        }
    }
}

/// Fetches pictures, one event after the other, until there will be no more.
async fn complete(handle: FlowHandle, http: String, mut waiting: mpsc::Receiver<Incomplete>) {
    let client = Client::default();
    while let Some(Incomplete {
        card,
        dialect,
        pictures,
    }) = waiting.recv().await
    {
        let mut jpegs = Vec::new();
        for picture in pictures {
            jpegs.push(fetch(&client, &http, dialect, picture).await);
        }
        show(&handle, card, jpegs);
    }
}

fn show(handle: &FlowHandle, mut card: Card, jpegs: impl IntoIterator<Item = Option<Bytes>>) {
    let jpegs = jpegs.into_iter().flatten();
    card.pictures = jpegs.map(|jpeg| handle.picture(jpeg)).collect();
    handle.card(card);
}

fn inline(picture: &Picture) -> Option<Bytes> {
    picture.inline()?.jpeg().ok().map(Bytes::from)
}

/// The picture, wherever it is; `None` if it is nowhere.
async fn fetch(client: &Client, http: &str, dialect: Dialect, picture: Picture) -> Option<Bytes> {
    let Picture::Remote(remote) = picture else {
        return inline(&picture);
    };
    let ask = Ask::Picture(remote);
    let request = codec::encode_ask(&ask, dialect);
    let url = format!("{http}{}", request.target);
    let answer = client.exchange(request.method, &url, request.body).await;
    let (status, body) = answer.ok()?;
    match codec::decode_answer(&ask, status, body, &Limits::default()) {
        Answer::Picture(jpeg) => Some(jpeg),
        _ => None,
    }
}
