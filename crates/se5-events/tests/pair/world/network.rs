//! Between the two.

use super::{Happening, World};
use crate::plan::Saboteur;
use se5_events::ToBox;

impl World {
    pub(super) fn has_link(&self, id: u64) -> bool {
        self.link.as_ref().is_some_and(|link| link.id == id)
    }

    pub(super) fn is_open(&self, id: u64) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.id == id && link.is_open)
    }

    /// Loses what is under way, and all that comes after. Nobody is told.
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
        let (id, at) = (link.id, link.to_box.arrival(now, latency));
        self.schedule.at(at, Happening::AtBox(id, message));
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
        let at = link.to_subscriber.arrival(now, latency);
        self.schedule.at(at, news(id));
    }
}
