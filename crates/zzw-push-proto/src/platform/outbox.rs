//! What waits to be drained.

use super::LinkId;
use super::parcel::{Content, Parcel};
use super::store::MessageId;
use super::vocabulary::Output;
use crate::wire::{Message, Text};
use std::collections::VecDeque;
use std::sync::Arc;

/// Outputs in order. Most are deliveries, and take little room: a publication to thousands waits here
/// until it is drained.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    order: VecDeque<Place>,
    others: VecDeque<Output>,
}

#[derive(Debug)]
enum Place {
    Deliver(LinkId, Parcel),
    Send(LinkId, Arc<Message>),
    /// The next one of the others.
    Other,
}

impl Outbox {
    pub(super) fn send(&mut self, id: LinkId, message: Arc<Message>) {
        self.order.push_back(Place::Send(id, message));
    }

    pub(super) fn deliver(
        &mut self,
        link: LinkId,
        alias: Text,
        mid: MessageId,
        content: Arc<Content>,
    ) {
        let parcel = Parcel::new(alias, mid, content);
        self.order.push_back(Place::Deliver(link, parcel));
    }

    pub(super) fn push(&mut self, output: Output) {
        self.order.push_back(Place::Other);
        self.others.push_back(output);
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        match self.order.pop_front()? {
            Place::Deliver(link, parcel) => Some(Output::Deliver(link, parcel)),
            Place::Send(id, message) => Some(Output::Send(id, message)),
            Place::Other => self.others.pop_front(),
        }
    }
}
