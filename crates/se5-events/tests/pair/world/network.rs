//! Between the two.

use super::{Happening, World};
use crate::plan::Saboteur;
use se5_events::ToBox;
use testkit::Arrival;

impl World {
    pub(super) fn has_link(&self, id: u64) -> bool {
        self.link.as_ref().is_some_and(|link| link.id == id)
    }

    pub(super) fn is_open(&self, id: u64) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.id == id && link.is_open)
    }

    pub(super) fn close(&mut self, id: u64) {
        if let Some(link) = self.link.as_mut().filter(|link| link.id == id) {
            link.is_open = false;
        }
    }

    pub(super) fn send_to_box(&mut self, message: ToBox) {
        let is_again = self.links > 1 && matches!(message, ToBox::Subscribe(..));
        if is_again && self.saboteur == Saboteur::SubscribesOnce {
            return;
        }
        let (now, latency) = (self.schedule.now(), self.latency());
        let Some(link) = self.link.as_mut().filter(|link| link.is_open) else {
            return;
        };
        if let Arrival::At(at) = link.to_box.send(now, latency) {
            let id = link.id;
            self.schedule.at(at, Happening::AtBox(id, message));
        }
    }

    pub(super) fn send_to_subscriber(&mut self, id: u64, news: impl FnOnce(u64) -> Happening) {
        let (now, latency) = (self.schedule.now(), self.latency());
        let Some(link) = self
            .link
            .as_mut()
            .filter(|link| link.id == id && link.is_open)
        else {
            return;
        };
        if let Arrival::At(at) = link.to_subscriber.send(now, latency) {
            self.schedule.at(at, news(id));
        }
    }
}
