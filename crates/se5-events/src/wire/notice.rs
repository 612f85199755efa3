//! The broadcast on port 54547 of dialect 2: devices come, change and go.

use super::event::raw;
use super::person::member;
use super::{DeviceInfo, Limits};
use crate::{EventError, EventErrorKind};
use bytes::Bytes;
use lenient_wire::{Kind, Scanner, text};
use std::fmt;

/// One message of the broadcast. Read only: we offer no such port.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceNotice {
    /// `modify_media_device`: a device was added, changed or deleted.
    Modified {
        /// The box's word for what happened.
        action: String,
        /// The device, if the box says which.
        device: Option<Box<DeviceInfo>>,
    },
    /// Any other message: `preview_device_list`, `selected_device_list`, `preview_mode`,
    /// `last_set_name`, and what no document names.
    Other {
        /// The object as the box wrote it.
        json: String,
    },
}

impl DeviceNotice {
    /// The JSON of the member called `name`, of a message other than `modify_media_device`.
    pub fn raw(&self, name: &str) -> Option<&str> {
        match self {
            Self::Other { json } => raw(json.as_bytes(), &[name]),
            Self::Modified { .. } => None,
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`EventError`] for what is no JSON object, or beyond a limit.
    pub fn decode(json: Bytes, limits: &Limits) -> Result<Self, EventError> {
        if json.len() > limits.max_message {
            let kind = EventErrorKind::TooLarge {
                max: limits.max_message,
            };
            return Err(EventError::new(kind, json));
        }
        let mut scan = Scanner::new(&json, limits.max_depth);
        let is_object = scan.at_object();
        match scan.value().and_then(|_| scan.end()) {
            Ok(()) if is_object => {}
            Ok(()) => return Err(EventError::new(EventErrorKind::NotObject, json)),
            Err(error) => return Err(EventError::new(error.into(), json)),
        }
        let Some(change) = member(&json, "modify_media_device").filter(|v| v.kind == Kind::Object)
        else {
            return Ok(Self::Other {
                json: String::from_utf8_lossy(&json).into_owned(),
            });
        };
        let change = change.of(&json);
        let action = member(change, "action").and_then(|value| text(change, value));
        let device = member(change, "media_device_info")
            .and_then(|v| DeviceInfo::read(v.of(change)).map(Box::new));
        Ok(Self::Modified {
            action: action.unwrap_or_default().into_owned(),
            device,
        })
    }
}

impl fmt::Debug for DeviceNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Modified { action, device } => f
                .debug_struct("Modified")
                .field("action", action)
                .field("device", device)
                .finish(),
            Self::Other { json } => write!(f, "Other({} bytes)", json.len()),
        }
    }
}
