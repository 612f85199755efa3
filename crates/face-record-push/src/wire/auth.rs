//! A terminal that asks whether a person may pass.

use super::body::Body;
use super::code::{EntryMode, Mask, RecognizeStatus, VerifyCode};
use super::index::Slot;
use super::{Image, Timestamp, User};
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;

/// The question, which comes without the envelope of a push.
#[derive(Clone)]
pub struct AuthRequest {
    body: Body,
}

/// The answer.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct AuthDecision {
    /// Whether the person may pass.
    pub pass: bool,
    /// `customtips`: what the terminal shows, at most 10 characters; more are cut off.
    pub tips: Option<String>,
    /// `user_id`: who it is, where the platform knows better.
    pub user_id: Option<String>,
    /// `user_name`
    pub user_name: Option<String>,
    /// `ic_number`
    pub ic_number: Option<String>,
    /// `verify_score`: how alike, 0 to 1.
    pub score: Option<f64>,
    /// `verify_code`: why.
    pub code: Option<VerifyCode>,
    pub(crate) is_default: bool,
}

impl AuthDecision {
    /// Yes or no.
    pub fn new(pass: bool) -> Self {
        Self {
            pass,
            tips: None,
            user_id: None,
            user_name: None,
            ic_number: None,
            score: None,
            code: None,
            is_default: false,
        }
    }

    /// No, since nobody decided.
    pub fn undecided() -> Self {
        Self {
            is_default: true,
            ..Self::new(false)
        }
    }
}

impl AuthRequest {
    pub(crate) fn of(body: Body) -> Self {
        Self { body }
    }

    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    /// The message as it came.
    pub fn json(&self) -> &Bytes {
        self.body.json()
    }

    /// `deviceSN`: the terminal.
    pub fn device_sn(&self) -> Option<Cow<'_, str>> {
        self.body.device_sn()
    }

    /// `recognizeStatus`: what the terminal makes of the person.
    pub fn recognize_status(&self) -> Option<RecognizeStatus> {
        self.body.status()
    }

    /// `recognizeScore`: how alike, usually 0 to 1.
    pub fn score(&self) -> Option<f64> {
        self.body.float(Slot::RecognizeScore)
    }

    /// `mask`
    pub fn mask(&self) -> Option<Mask> {
        self.body.integer(Slot::Mask).map(Mask)
    }

    /// `rgb_image`
    pub fn picture(&self) -> Option<Image> {
        self.body.picture()
    }

    /// `timestamp`, told by its size.
    pub fn timestamp(&self) -> Option<Timestamp<'_>> {
        self.body.timestamp(Slot::Timestamp)
    }

    /// `bodyTemperature` in degrees Celsius; 0 is none.
    pub fn temperature(&self) -> Option<f64> {
        self.body
            .float(Slot::BodyTemperature)
            .filter(|celsius| *celsius != 0.0)
    }

    /// `entry_mode`: what the person used.
    pub fn entry_mode(&self) -> Option<EntryMode> {
        self.body.integer(Slot::EntryMode).map(EntryMode)
    }

    /// `qrcode_content`
    pub fn qr_code(&self) -> Option<Cow<'_, str>> {
        self.body.text(Slot::QrCode)
    }

    /// `user`: whom the terminal recognised.
    pub fn user(&self) -> Option<User<'_>> {
        self.body.user()
    }

    /// The JSON of the member that `path` leads to, be it named in a document or not.
    pub fn raw(&self, path: &[&str]) -> Option<&str> {
        self.body.raw(path)
    }
}

impl PartialEq for AuthRequest {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl fmt::Debug for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthRequest")
            .field("device_sn", &self.device_sn())
            .field("bytes", &self.json().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthDecision({})", self.pass)
    }
}
