//! The device list, which tells the ids that a subscription names.

use super::event::raw;
use super::person::member;
use super::{DeviceKind, Dialect, Limits};
use crate::AskError;
use lenient_wire::{Kind, ObjectWriter, Scanner, text};
use std::borrow::Cow;
use std::fmt;

/// The devices a box knows.
///
/// ```text
/// {"data":{"devices_list":[{"device_id":"2c1a6a12-…", …}],"preview_list":{…}}}   dialect 1
/// {"devices":[{"media_device_id":"2c1a6a12-…", …}]}                              dialect 2
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeviceList {
    /// In the box's order.
    pub devices: Vec<DeviceInfo>,
    /// `preview_list` (dialect 1), as JSON.
    pub preview: Option<String>,
}

/// One device: a camera, turnstile or door.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// `device_id` or `media_device_id`: what a subscription names. Devices without one are left out.
    pub id: String,
    /// `device_name` or `media_device_name`
    pub name: Option<String>,
    /// `device_ip` or `media_device_ip`
    pub ip: Option<String>,
    /// `device_type` or `media_device_type`
    pub kind: Option<DeviceKind>,
    /// `media_device_url` (dialect 2); may hold a password.
    pub url: Option<String>,
    /// `permission_id`
    pub permission_id: Option<String>,
    /// `group_id` (dialect 1)
    pub group_id: Option<String>,
    /// `device_key` (dialect 1)
    pub key: Option<String>,
    /// The whole object as the box wrote it, or empty if it did not come from a box.
    pub json: String,
}

impl DeviceList {
    /// Reads the body of an answer, in either dialect.
    ///
    /// # Errors
    ///
    /// [`AskError::Body`] if it is no device list, or has more than `limits.max_items` devices.
    pub fn decode(json: &[u8], limits: &Limits) -> Result<Self, AskError> {
        let body = |_| AskError::Body;
        let mut scan = Scanner::new(json, limits.max_depth);
        let (mut list, mut found) = (Self::default(), false);
        scan.enter_object().map_err(body)?;
        while let Some(key) = scan.key().map_err(body)? {
            match key.of(json) {
                b"data" if scan.at_object() => {
                    scan.enter_object().map_err(body)?;
                    while let Some(key) = scan.key().map_err(body)? {
                        found |= list.read_member(&mut scan, json, key.of(json), limits)?;
                    }
                }
                name => found |= list.read_member(&mut scan, json, name, limits)?,
            }
        }
        scan.end().map_err(body)?;
        found.then_some(list).ok_or(AskError::Body)
    }

    /// Appends the body of an answer.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) {
        let mut body = ObjectWriter::new(out);
        match dialect {
            Dialect::V1 => {
                let mut data = body.object("data");
                self.push_devices(dialect, data.name("devices_list"));
                if let Some(preview) = &self.preview {
                    data.raw("preview_list", preview);
                }
                data.end();
            }
            Dialect::V2 => self.push_devices(dialect, body.name("devices")),
        }
        body.end();
    }

    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|device| device.id.as_str())
    }

    fn push_devices(&self, dialect: Dialect, out: &mut Vec<u8>) {
        out.push(b'[');
        for (nth, device) in self.devices.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            device.encode(dialect, out);
        }
        out.push(b']');
    }

    /// True if the member is the list.
    fn read_member(
        &mut self,
        scan: &mut Scanner<'_>,
        json: &[u8],
        name: &[u8],
        limits: &Limits,
    ) -> Result<bool, AskError> {
        let body = |_| AskError::Body;
        if !(matches!(name, b"devices_list" | b"devices") && scan.at_array()) {
            let value = scan.value().map_err(body)?;
            if name == b"preview_list" && value.kind == Kind::Object {
                self.preview = Some(String::from_utf8_lossy(value.of(json)).into_owned());
            }
            return Ok(false);
        }
        self.devices.clear(); // the last list wins
        scan.enter_array().map_err(body)?;
        while scan.element().map_err(body)? {
            let value = scan.value().map_err(body)?;
            if self.devices.len() >= limits.max_items {
                return Err(AskError::Body);
            }
            self.devices.extend(DeviceInfo::read(value.of(json)));
        }
        Ok(true)
    }
}

impl DeviceInfo {
    /// A device of which only the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: None,
            ip: None,
            kind: None,
            url: None,
            permission_id: None,
            group_id: None,
            key: None,
            json: String::new(),
        }
    }

    /// With a name for people.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With an address.
    #[must_use]
    pub fn with_ip(mut self, ip: impl Into<String>) -> Self {
        self.ip = Some(ip.into());
        self
    }

    /// With a kind.
    #[must_use]
    pub fn with_kind(mut self, kind: DeviceKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// `device_attr.actions` (dialect 1) as JSON: `do_attribute`, `do_detect`, `do_feature`,
    /// `do_match`, `do_track`, `fast_mode`, `paint_bbox`, `paint_landmark`.
    pub fn actions(&self) -> Option<&str> {
        self.raw(&["device_attr", "actions"])
    }

    /// `netRelay` (dialect 1) or `net_relay` (dialect 2), as JSON.
    pub fn net_relay(&self) -> Option<&str> {
        self.raw(&["netRelay"]).or_else(|| self.raw(&["net_relay"]))
    }

    /// The JSON of the member that `path` leads to, be it named in a document or not.
    pub fn raw(&self, path: &[&str]) -> Option<&str> {
        raw(self.json.as_bytes(), path)
    }

    /// From a device's object in either dialect; `None` if it has no id.
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        let either = |v1: &str, v2: &str| {
            let value = member(json, v1).or_else(|| member(json, v2))?;
            text(json, value).map(Cow::into_owned)
        };
        Some(Self {
            id: either("device_id", "media_device_id").filter(|id| !id.is_empty())?,
            name: either("device_name", "media_device_name"),
            ip: either("device_ip", "media_device_ip"),
            kind: either("device_type", "media_device_type")
                .map(|kind| DeviceKind::from_wire(&kind)),
            url: either("device_url", "media_device_url"),
            permission_id: either("permission_id", "permission_id"),
            group_id: either("group_id", "group_id"),
            key: either("device_key", "device_key"),
            json: std::str::from_utf8(json).ok()?.to_owned(),
        })
    }

    fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) {
        let names = match dialect {
            Dialect::V1 => ["device_id", "device_name", "device_ip", "device_type"],
            Dialect::V2 => [
                "media_device_id",
                "media_device_name",
                "media_device_ip",
                "media_device_type",
            ],
        };
        let values = [
            Some(self.id.as_str()),
            self.name.as_deref(),
            self.ip.as_deref(),
            self.kind.as_ref().map(DeviceKind::as_wire),
        ];
        let mut object = ObjectWriter::new(out);
        for (name, value) in names.into_iter().zip(values) {
            if let Some(value) = value {
                object.text(name, value);
            }
        }
        let further = [
            (
                "media_device_url",
                self.url.as_ref().filter(|_| dialect == Dialect::V2),
            ),
            (
                "device_key",
                self.key.as_ref().filter(|_| dialect == Dialect::V1),
            ),
            (
                "group_id",
                self.group_id.as_ref().filter(|_| dialect == Dialect::V1),
            ),
            ("permission_id", self.permission_id.as_ref()),
        ];
        for (name, value) in further {
            if let Some(value) = value {
                object.text(name, value);
            }
        }
        object.end();
    }
}

impl fmt::Debug for DeviceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.devices).finish()
    }
}

impl fmt::Debug for DeviceInfo {
    /// Addresses, keys and what else the box tells may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceInfo")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("bytes", &self.json.len())
            .finish_non_exhaustive()
    }
}
