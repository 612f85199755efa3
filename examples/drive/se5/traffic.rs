//! What happens in front of the cameras of a simulated box.

use crate::faces::{Cast, Dice, PictureSize, View};
use se5_events::{DeviceInfo, DeviceKind, PersonType, Sighting, UnixMillis};
use std::time::Duration;

/// How often someone is seen, and how.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Traffic {
    /// Events a second, all cameras together; 2. Zero is none.
    pub rate: f64,
    /// Events after which nobody comes any more; `None` is never. Default `None`.
    pub count: Option<u64>,
    /// The pictures; small.
    pub pictures: PictureSize,
    /// Wait until someone has subscribed before the first event; false.
    pub waits: bool,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            rate: 2.0,
            count: None,
            pictures: PictureSize::Small,
            waits: false,
        }
    }
}

impl Traffic {
    /// The time between two events; `None` if there are none.
    pub(super) fn interval(&self) -> Option<Duration> {
        let seconds = 1.0 / self.rate;
        (self.rate > 0.0)
            .then(|| Duration::try_from_secs_f64(seconds).ok())
            .flatten()
    }
}

/// So many cameras, with ids that follow from the seed.
pub fn cameras(count: usize, seed: u64) -> Vec<DeviceInfo> {
    let places = ["东门", "大堂", "Car park", "侧门", "Lift 2", "仓库"];
    let mut dice = Dice(seed);
    let camera = |number: usize| {
        let (high, low) = (dice.roll(), dice.roll());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff,
        );
        let name = format!("{} {}", places[number % places.len()], number + 1);
        let kind = if number.is_multiple_of(2) {
            DeviceKind::IpcStream
        } else {
            DeviceKind::Turnstile
        };
        DeviceInfo::new(id)
            .with_name(name)
            .with_ip(format!("192.168.1.{}", 101 + number % 150))
            .with_kind(kind)
    };
    (0..count).map(camera).collect()
}

/// Turns time into sightings.
#[derive(Debug)]
pub(super) struct Street {
    cast: Cast,
    dice: Dice,
    last_micros: i64,
}

impl Street {
    pub(super) fn new(seed: u64, pictures: PictureSize) -> Self {
        Self {
            cast: Cast::new(seed, pictures),
            dice: Dice(seed ^ 0x5e5),
            last_micros: 0,
        }
    }

    /// Someone stands before one of `devices`; `None` if there are none.
    pub(super) fn sighting(&mut self, at: UnixMillis, devices: &[DeviceInfo]) -> Option<Sighting> {
        let camera = self.dice.below(devices.len());
        let device = devices.get(camera)?;
        let number = self.dice.below(usize::MAX);
        let character = self.cast.character(number);
        // Ids look like times with microseconds, and never repeat.
        let micros = (at.0.saturating_mul(1000)).max(self.last_micros + 1);
        self.last_micros = micros;
        let id = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let mut sighting = Sighting::new(id, &*device.id, at);
        sighting.device_ip = device.ip.clone().unwrap_or_default();
        if let Some(kind) = &device.kind {
            sighting.device_kind = kind.clone();
        }
        let is_stranger = character.kind == PersonType::Stranger;
        let score = if is_stranger { 0.2 } else { 0.6 } + 0.39 * self.dice.fraction();
        sighting.score = (score * 1e6).round() / 1e6;
        sighting.registered = self.cast.picture(&character, View::Registered);
        sighting.face = self.cast.picture(&character, View::Face);
        sighting.scene = self.cast.picture(&character, View::Scene(camera % 4));
        if !is_stranger {
            sighting.identity_info = info(&character.id, character.name, &character.kind);
        }
        sighting.identity_id = character.id;
        character.name.clone_into(&mut sighting.identity_name);
        character.group.clone_into(&mut sighting.group_name);
        sighting.person = character.kind;
        Some(sighting)
    }
}

fn info(id: &str, name: &str, kind: &PersonType) -> String {
    let mut json = Vec::new();
    let mut object = lenient_wire::ObjectWriter::new(&mut json);
    object
        .display("addTime", 1_594_111_791)
        .text("image_id", &format!("{id}-reg"))
        .text("name", name);
    if let Some(code) = kind.code() {
        object.display("type", code);
    }
    object.end();
    String::from_utf8(json).unwrap_or_else(|_| "{}".to_owned())
}
