//! Who a record is about.

use super::body::Body;
use super::code::UserType;
use super::index::Slot;
use super::{Timestamp, UnixMillis};
use lenient_wire::{Kind, Scanner, text};
use std::borrow::Cow;
use std::fmt;

/// The person of a record, as far as it states one. Personal data: shown by nothing but its
/// accessors.
#[derive(Clone, Copy)]
pub struct User<'a> {
    body: &'a Body,
}

/// An id with how it was written: `1` or `"1"`.
#[derive(Clone, PartialEq, Eq)]
pub struct Id<'a> {
    /// The id.
    pub text: Cow<'a, str>,
    /// True for a number without quotes.
    pub is_number: bool,
}

/// A group of people.
#[derive(Clone, PartialEq, Eq)]
pub struct Group {
    /// `id`; a number in some profiles.
    pub id: String,
    /// `name`
    pub name: String,
}

impl<'a> User<'a> {
    /// `None` if no member says anything: missing, null, `{}` and empty texts are the same.
    pub(crate) fn of(body: &'a Body) -> Option<Self> {
        //= docs/spec/face-record-push.md#record
        //# A user that is missing or null MUST be read as absent, and so each member of a user that
        //# is missing, null or empty.
        const FACTS: [Slot; 8] = [
            Slot::UserName,
            Slot::UserId,
            Slot::UserType,
            Slot::IcNumber,
            Slot::JobNumber,
            Slot::IdNumber,
            Slot::Pin,
            Slot::Remark,
        ];
        let is_somebody = FACTS.iter().any(|slot| body.text(*slot).is_some());
        is_somebody.then_some(Self { body })
    }

    /// `name`
    pub fn name(&self) -> Option<Cow<'a, str>> {
        self.body.text(Slot::UserName)
    }

    /// `user_id`: a number before profile 1.2.1, text since, at times a UUID.
    pub fn user_id(&self) -> Option<Id<'a>> {
        self.id(Slot::UserId)
    }

    /// `type`: the list that the person is on.
    pub fn user_type(&self) -> Option<UserType> {
        self.body.integer(Slot::UserType).map(UserType)
    }

    /// `ic_number`: the card.
    pub fn ic_number(&self) -> Option<Id<'a>> {
        self.id(Slot::IcNumber)
    }

    /// `job_number`
    pub fn job_number(&self) -> Option<Id<'a>> {
        self.id(Slot::JobNumber)
    }

    /// `id_number`: the identity card, which looks encrypted.
    pub fn id_number(&self) -> Option<Cow<'a, str>> {
        self.body.text(Slot::IdNumber)
    }

    /// `pin`
    pub fn pin(&self) -> Option<Cow<'a, str>> {
        self.body.text(Slot::Pin)
    }

    /// `remark`, at most 256 bytes.
    pub fn remark(&self) -> Option<Cow<'a, str>> {
        self.body.text(Slot::Remark)
    }

    /// `guest_time_start`: from when on a guest may pass.
    pub fn guest_from(&self) -> Option<UnixMillis> {
        self.guest_time(Slot::GuestStart)
    }

    /// `guest_time_end`: until when a guest may pass.
    pub fn guest_until(&self) -> Option<UnixMillis> {
        self.guest_time(Slot::GuestEnd)
    }

    /// `groups`, be they inside the user, as in pushes, or beside, as in the records query.
    pub fn groups(&self) -> Vec<Group> {
        read_groups(self.body).unwrap_or_default()
    }

    fn id(self, slot: Slot) -> Option<Id<'a>> {
        //= docs/spec/face-record-push.md#record
        //# The members `user_id`, `ic_number` and `job_number` MUST be read from text and from
        //# numbers alike, digit by digit.
        let is_number = self.body.value(slot).kind == Kind::Number;
        let text = self.body.text(slot)?;
        Some(Id { text, is_number })
    }

    /// Zero is no time.
    fn guest_time(self, slot: Slot) -> Option<UnixMillis> {
        let Timestamp { unix, .. } = self.body.timestamp(slot)?;
        //= docs/spec/face-record-push.md#record
        //# The hours of a guest MUST be read as absent where they are 0.
        (unix != UnixMillis(0)).then_some(unix)
    }
}

impl Group {
    /// A group.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
        }
    }
}

/// `None` for what is no list; what is no group in it is passed over.
fn read_groups(body: &Body) -> Option<Vec<Group>> {
    let json = body.value(Slot::Groups).of(body.json());
    let mut scan = Scanner::new(json, 64);
    let mut groups = Vec::new();
    scan.enter_array().ok()?;
    while scan.element().ok()? {
        if !scan.at_object() {
            scan.value().ok()?;
            continue;
        }
        let (mut id, mut name) = (None, None);
        scan.enter_object().ok()?;
        while let Some(key) = scan.key().ok()? {
            let value = scan.value().ok()?;
            match text(json, key).as_deref() {
                Some("id") => id = text(json, value),
                Some("name") => name = text(json, value),
                _ => {}
            }
        }
        if id.is_some() || name.is_some() {
            groups.push(Group::new(id.unwrap_or_default(), name.unwrap_or_default()));
        }
    }
    Some(groups)
}

impl fmt::Debug for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(***)")
    }
}

impl fmt::Debug for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({} characters)", self.text.chars().count())
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Group(***)")
    }
}
