#![doc = include_str!("../README.md")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::exhaustive_enums
)]
#![allow(
    clippy::large_enum_variant,
    clippy::result_large_err,
    reason = "values are handed on or given back, not stored; a box around each would cost an allocation"
)]

pub mod codec;
mod deface;
mod dest;
pub mod device;
pub mod error;
mod key;
pub mod platform;
pub mod wire;

pub use dest::{Dest, DestError, DestPolicy, Host, Scheme};
pub use error::{AnswerError, AskError, ImageError, PushError, PushErrorKind, Refused};
pub use key::RecordKey;
#[doc(inline)]
pub use wire::{
    AbnormalType, Alarm, AlarmCode, AlarmReport, AlarmStatus, Answer, Ask, AskReply, AuthDecision,
    AuthRequest, EntryMode, ExchangeId, Group, Id, Image, Item, LegacyPass, Login, Mask, Mode,
    Person, PersonFilter, Profile, Push, Recognition, RecognitionType, RecognizeStatus, Record,
    RecordsPage, RecordsQuery, Reply, RowError, SerialNumber, StoredToken, Subscription, Timestamp,
    Token, UnixMillis, Unknown, User, UserType, VerifyCode,
};
