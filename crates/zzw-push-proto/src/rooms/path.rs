//! How a link says which room it wants, and as what.

use crate::rest::{decode, push_segment};
use crate::wire::{Lenience, Text};
use std::fmt;
use std::str::FromStr;

/// The path that a relay link is opened with: the room, and who comes (Z-41).
///
/// ```text
/// /capture-<community>-<building>-<unit>/0    a camera shows pictures to many
/// /<room>/0/android                           a caller talks to a callee
/// /<room>   /<room>/1                         many talk to many
/// ```
///
/// The protocol has no other key to a room than its name: whoever can guess it can come in.
///
/// ```
/// use zzw_push_proto::rooms::{DeviceKind, Role, RoomKind, RoomPath};
///
/// let path = RoomPath::parse("/capture-%E6%9D%8E%E6%9D%91-3-2/1").unwrap();
/// assert_eq!((path.kind(), path.role()), (RoomKind::OneToMany, Some(Role::One)));
/// assert_eq!(path, RoomPath::capture("李村", "3", "2", Role::One).unwrap());
///
/// let path = RoomPath::call("1203", Role::Zero, DeviceKind::Android).unwrap();
/// assert_eq!(path.to_string(), "/1203/0/android");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoomPath {
    kind: RoomKind,
    room: Text,
    role: Option<Role>,
    device: Option<DeviceKind>,
}

/// What kind of room it is, told by the shape of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RoomKind {
    /// `One2One`: an intercom call.
    OneToOne,
    /// `One2Many`: capture pictures.
    OneToMany,
    /// `Many2Many`: not described by the document, and off unless it is switched on.
    ManyToMany,
}

/// `d`: the side of a room that a link is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a room has two sides")]
pub enum Role {
    /// `0`: the door or wall station that shows pictures, the caller.
    Zero,
    /// `1`: the phone that looks, the callee.
    One,
}

/// `device`: what a caller or callee is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// `android`
    Android,
    /// `ios`
    Ios,
    /// Anything else, as it came.
    Other(Text),
}

/// Where pictures are from: the parts of the name of a capture room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The community's id.
    pub community: &'a str,
    /// Building.
    pub building: &'a str,
    /// Unit.
    pub unit: &'a str,
}

/// A path that leads to no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Longer than [`RoomPath::MAX_TARGET`].
    #[error("path longer than {max} bytes")]
    TooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// Not `/r`, `/r/d` or `/r/d/device`.
    #[error("not a room's path; use `/r/d` or `/r/d/device`")]
    Shape,
    /// Percent encoding that is broken, or not of UTF-8.
    #[error("percent encoding is broken; encode utf-8, once")]
    Escape,
    /// No name, a longer one than [`RoomPath::MAX_ROOM`], `.` or `..`, or one with a slash or a
    /// control character.
    #[error("no room has that name; use 1 to 128 bytes without slashes and control characters")]
    Room,
    /// A name that begins with `capture-` and does not go on with three parts.
    #[error("not `capture-<community>-<building>-<unit>`; leave dashes out of the parts")]
    Capture,
    /// Neither 0 nor 1.
    #[error("the side of a room is 0 or 1")]
    Role,
    /// As for [`Self::Room`], with [`RoomPath::MAX_DEVICE`].
    #[error("no device is called so; use `android` or `ios`")]
    Device,
}

const CAPTURE: &str = "capture-";

impl RoomPath {
    /// The longest path that is read, with its query, in bytes.
    pub const MAX_TARGET: usize = 4096;
    /// The longest name of a room, in bytes of UTF-8.
    pub const MAX_ROOM: usize = 128;
    /// The longest name of a kind of device, in bytes of UTF-8.
    pub const MAX_DEVICE: usize = 32;

    /// Reads what a request asks for: a path, or a whole URL. What comes behind a `?` or `#` is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// [`PathError`] if it leads to no room.
    pub fn parse(target: &str) -> Result<Self, PathError> {
        let max = Self::MAX_TARGET;
        //= docs/spec/zzw-push-proto.md#room-path
        //# A path of more than 4096 bytes MUST be refused.
        if target.len() > max {
            return Err(PathError::TooLong { max });
        }
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let path = match path.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => {
                rest.find('/').and_then(|at| rest.get(at..))
            }
            _ => Some(path),
        };
        let path = path.and_then(|path| path.strip_prefix('/'));
        let path = path.ok_or(PathError::Shape)?;
        let mut segments = path.strip_suffix('/').unwrap_or(path).split('/');
        let mut next = || {
            //= docs/spec/zzw-push-proto.md#room-path
            //# A path MUST be percent-decoded exactly once, strictly and as UTF-8.
            let segment = segments.next().map(|raw| decode(raw, Lenience::Strict));
            segment.transpose().map_err(|_| PathError::Escape)
        };
        let (room, role, device) = (next()?.unwrap_or_default(), next()?, next()?);
        if segments.next().is_some() {
            return Err(PathError::Shape);
        }
        let role = role.map(|role| match role.as_str() {
            "0" => Ok(Role::Zero),
            "1" => Ok(Role::One),
            _ => Err(PathError::Role),
        });
        Self::checked(&room, role.transpose()?, device.map(DeviceKind::from))
    }

    /// The path to the pictures of a building.
    ///
    /// # Errors
    ///
    /// [`PathError::Capture`] for a part that is empty or has a dash in it, else
    /// [`PathError::Room`].
    pub fn capture(
        community: &str,
        building: &str,
        unit: &str,
        role: Role,
    ) -> Result<Self, PathError> {
        let room = format!("{CAPTURE}{community}-{building}-{unit}");
        Self::checked(&room.into(), Some(role), None)
    }

    /// The path to an intercom call.
    ///
    /// # Errors
    ///
    /// [`PathError::Room`] and [`PathError::Device`]; [`PathError::Capture`] for the name of a
    /// capture room.
    pub fn call(
        room: impl Into<Text>,
        role: Role,
        device: impl Into<DeviceKind>,
    ) -> Result<Self, PathError> {
        let path = Self::checked(&room.into(), Some(role), Some(device.into()))?;
        path.only(RoomKind::OneToOne)
    }

    /// The path to a room of many, on one side of it or on none.
    ///
    /// # Errors
    ///
    /// [`PathError::Room`]; [`PathError::Capture`] for the name of a capture room.
    pub fn group(room: impl Into<Text>, role: Option<Role>) -> Result<Self, PathError> {
        let path = Self::checked(&room.into(), role, None)?;
        path.only(RoomKind::ManyToMany)
    }

    /// What kind of room it leads to.
    pub fn kind(&self) -> RoomKind {
        self.kind
    }

    /// `r`: the room's name.
    pub fn room(&self) -> &Text {
        &self.room
    }

    /// `d`; absent only for [`RoomKind::ManyToMany`].
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// `device`; always there for [`RoomKind::OneToOne`].
    pub fn device(&self) -> Option<&DeviceKind> {
        self.device.as_ref()
    }

    /// Where the pictures are from, for [`RoomKind::OneToMany`].
    pub fn place(&self) -> Option<Place<'_>> {
        place(&self.room)
    }

    /// True if a frame may be posted to it: it is a camera's (Z-40).
    pub fn takes_posts(&self) -> bool {
        (self.kind, self.role) == (RoomKind::OneToMany, Some(Role::Zero))
    }

    //= docs/spec/zzw-push-proto.md#room-path
    //# A path that is built MUST be read back as what it was built from.
    fn checked(
        room: &Text,
        role: Option<Role>,
        device: Option<DeviceKind>,
    ) -> Result<Self, PathError> {
        if !is_name(room, Self::MAX_ROOM) {
            return Err(PathError::Room);
        }
        let device = match device {
            Some(DeviceKind::Other(name)) if !is_name(&name, Self::MAX_DEVICE) => {
                return Err(PathError::Device);
            }
            // A slice would hold on to more than the name.
            Some(DeviceKind::Other(name)) => Some(DeviceKind::from(name.detached())),
            other => other,
        };
        //= docs/spec/zzw-push-proto.md#room-path
        //# A path MUST lead to a room of pictures if its name begins with `capture-`, to a call if
        //# it has a device, and else to a room of many.
        let kind = match (&device, role) {
            _ if room.starts_with(CAPTURE) => {
                place(room).and(role).ok_or(PathError::Capture)?;
                RoomKind::OneToMany
            }
            (Some(_), _) => RoomKind::OneToOne,
            (None, _) => RoomKind::ManyToMany,
        };
        Ok(Self {
            kind,
            room: room.detached(),
            role,
            device,
        })
    }

    fn only(self, kind: RoomKind) -> Result<Self, PathError> {
        if self.kind == kind {
            Ok(self)
        } else {
            Err(PathError::Capture)
        }
    }
}

impl Role {
    /// Whoever is on the other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Zero => Self::One,
            Self::One => Self::Zero,
        }
    }

    /// `0` or `1`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zero => "0",
            Self::One => "1",
        }
    }
}

impl DeviceKind {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Other(name) => name,
        }
    }
}

impl From<Text> for DeviceKind {
    fn from(name: Text) -> Self {
        match name.as_str() {
            "android" => Self::Android,
            "ios" => Self::Ios,
            //= docs/spec/zzw-push-proto.md#room-path
            //# A device that no document names MUST be kept as it came, up to 32 bytes.
            _ => Self::Other(name),
        }
    }
}

impl From<&str> for DeviceKind {
    fn from(name: &str) -> Self {
        Text::from(name).into()
    }
}

impl FromStr for RoomPath {
    type Err = PathError;

    fn from_str(target: &str) -> Result<Self, PathError> {
        Self::parse(target)
    }
}

/// The path, percent-encoded; `ws://host:9000` goes before it.
impl fmt::Display for RoomPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = String::new();
        push_segment(&mut path, &self.room);
        if let Some(role) = self.role {
            push_segment(&mut path, role.as_str());
        }
        if let Some(device) = &self.device {
            push_segment(&mut path, device.as_str());
        }
        f.write_str(&path)
    }
}

//= docs/spec/zzw-push-proto.md#room-path
//# A path that begins with `capture-` MUST be refused unless exactly three parts without dashes and
//# a side follow.
fn place(room: &str) -> Option<Place<'_>> {
    let mut parts = room.strip_prefix(CAPTURE)?.split('-');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let place = Place {
        community: next()?,
        building: next()?,
        unit: next()?,
    };
    parts.next().is_none().then_some(place)
}

/// Dots would be taken for steps in the path by whatever it passes through.
//= docs/spec/zzw-push-proto.md#room-path
//# The name of a room MUST have 1 to 128 bytes without a slash and control characters and not be a
//# step in a path.
pub(super) fn is_name(name: &str, max: usize) -> bool {
    let is_taken_apart = name.contains(|c: char| c == '/' || c.is_control());
    let is_step = matches!(name, "." | "..");
    !name.is_empty() && name.len() <= max && !is_taken_apart && !is_step
}
