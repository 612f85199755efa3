//! Numbers that stand for something. All are open: a number that no document names is kept.

use std::fmt;

/// Defines a number with names.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $konst:ident = $number:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub i64);

        impl $name {
            $($(#[$of])* pub const $konst: Self = Self($number);)*

            /// What the documents call it; `None` for a number that they do not name.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($word),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            /// The name, or the number where there is none.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => fmt::Display::fmt(&self.0, f),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} ({self})", self.0)
            }
        }
    };
}

codes! {
    /// `recognitionType`, since profile 1.1: what a person was taken for. 0 occurs and has no name.
    RecognitionType {
        /// An employee.
        EMPLOYEE = 1, "employee";
        /// A visitor.
        VISITOR = 2, "visitor";
        /// Nobody in the library.
        STRANGER = 3, "stranger";
        /// A picture or a mask, not a living person.
        NOT_ALIVE = 4, "not alive";
        /// On the block list.
        BLACKLIST = 5, "blacklist";
    }
}

codes! {
    /// `recognizeStatus`, of profile 1.0 and of remote authentication. Another enumeration than
    /// [`RecognitionType`], and never mapped to it.
    RecognizeStatus {
        /// Unknown.
        UNKNOWN = 0, "unknown";
        /// Not a living person.
        NOT_ALIVE = 1, "not alive";
        /// In the library.
        IN_LIBRARY = 2, "in library";
        /// Nobody in the library.
        STRANGER = 3, "stranger";
        /// Recognised.
        RECOGNISED = 4, "recognised";
        /// Authenticated.
        AUTHENTICATED = 5, "authenticated";
        /// Authentication failed.
        FAILED = 6, "authentication failed";
    }
}

codes! {
    /// `mask`: whether a mask is worn.
    Mask {
        /// Not looked at.
        OFF = 0, "off";
        /// Not worn.
        NOT_WORN = 1, "not worn";
        /// Worn.
        WORN = 2, "worn";
    }
}

codes! {
    /// `mode`: what a terminal asks of people.
    ///
    /// Names are those of the table that the vendor corrected the day after the base document, which
    /// prints 2 and 3 the other way round: [`Mode::name_as_printed`]. 10 occurs and has no name.
    Mode {
        /// Face.
        FACE = 0, "face";
        /// Face or card.
        FACE_OR_CARD = 1, "face or card";
        /// Face and card.
        FACE_AND_CARD = 2, "face and card";
        /// Face, card, QR code or PIN.
        FACE_OR_CARD_OR_CODE = 3, "face or card or QR code";
        /// Identity card.
        ID_CARD = 4, "identity card";
        /// Face or identity card.
        FACE_OR_ID_CARD = 5, "face or identity card";
        /// Face and identity card.
        FACE_AND_ID_CARD = 6, "face and identity card";
        /// Face and PIN, since profile 1.2.
        FACE_AND_PIN = 7, "face and PIN";
        /// Face, card and PIN, since profile 1.2.
        FACE_AND_CARD_AND_PIN = 8, "face and card and PIN";
        /// Card and PIN, since profile 1.2.1.
        CARD_AND_PIN = 9, "card and PIN";
    }
}

codes! {
    /// `entry_mode`, since profile 1.3: what a person used.
    EntryMode {
        /// Face.
        FACE = 1, "face";
        /// QR code.
        QR_CODE = 2, "QR code";
        /// Card.
        CARD = 3, "card";
        /// Face and card.
        FACE_AND_CARD = 4, "face and card";
        /// Identity card.
        ID_CARD = 5, "identity card";
        /// Face and identity card.
        FACE_AND_ID_CARD = 6, "face and identity card";
        /// Health code.
        HEALTH_CODE = 7, "health code";
        /// Face and PIN.
        FACE_AND_PIN = 8, "face and PIN";
        /// Card and PIN.
        CARD_AND_PIN = 9, "card and PIN";
        /// Face, card and PIN.
        FACE_AND_CARD_AND_PIN = 10, "face and card and PIN";
        /// The button inside.
        EXIT_BUTTON = 11, "exit button";
        /// Job number and PIN.
        JOB_NUMBER_AND_PIN = 12, "job number and PIN";
    }
}

codes! {
    /// `abnormal_type`, since profile 1.3: why somebody was not let through.
    AbnormalType {
        /// Nothing abnormal.
        NONE = 0, "none";
        /// Face and identity card differ.
        ID_CARD_MISMATCH = 10001, "face and identity card differ";
        /// Face and card differ.
        CARD_MISMATCH = 10002, "face and card differ";
        /// Face and QR code differ.
        CODE_MISMATCH = 10003, "face and QR code differ";
        /// The visit is over or has not begun.
        OUT_OF_VALIDITY = 20001, "visitor out of validity";
        /// Outside the hours of access.
        OUT_OF_HOURS = 20002, "outside the hours of access";
        /// The identity card is invalid.
        INVALID_ID_CARD = 30001, "invalid identity card";
        /// The card is invalid.
        INVALID_CARD = 30002, "invalid card";
        /// The QR code is invalid.
        INVALID_CODE = 30003, "invalid QR code";
        /// The body temperature is abnormal.
        TEMPERATURE = 40001, "abnormal temperature";
        /// The PIN is wrong.
        WRONG_PIN = 70001, "wrong PIN";
        /// Too many wrong PINs.
        TOO_MANY_PINS = 70002, "too many wrong PINs";
    }
}

codes! {
    /// `user.type`. The block list is 3 before profile 1.3 and 5 since.
    UserType {
        /// An employee.
        EMPLOYEE = 1, "employee";
        /// A visitor.
        VISITOR = 2, "visitor";
        /// On the block list, before profile 1.3.
        BLACKLIST_OLD = 3, "blacklist";
        /// On the block list, since profile 1.3.
        BLACKLIST = 5, "blacklist";
    }
}

codes! {
    /// `code` of an alarm.
    AlarmCode {
        /// The case was opened.
        TAMPER = 10001, "tamper";
        /// The door was forced.
        FORCED = 10002, "door forced open";
        /// The door stands open.
        HELD_OPEN = 10003, "door held open";
        /// Somebody guesses passwords.
        PASSWORD_ATTACK = 10004, "password attack";
        /// Fire.
        FIRE = 20003, "fire";
    }
}

codes! {
    /// `status` of an alarm.
    AlarmStatus {
        /// Raised.
        RAISED = 1, "raised";
        /// Could not be released.
        RELEASE_FAILED = 2, "release failed";
        /// Released.
        RELEASED = 3, "released";
    }
}

codes! {
    /// `verify_code` of a decision.
    VerifyCode {
        /// The person is not activated.
        INACTIVE = 1, "inactive";
        /// All is well.
        OK = 2, "ok";
        /// No right to pass here.
        NO_RIGHT = 3, "no right";
        /// It is somebody else.
        MISMATCH = 4, "mismatch";
        /// Outside the hours of access.
        OUT_OF_HOURS = 5, "outside the hours of access";
    }
}

impl Mode {
    /// The name that the base document prints: 2 and 3 are the other way round there.
    pub fn name_as_printed(self) -> Option<&'static str> {
        match self {
            //= docs/spec/face-record-push.md#record
            //# A mode MUST be named by the vendor's corrected table unless the caller asks for the
            //# table as printed.
            Self::FACE_AND_CARD => Self::FACE_OR_CARD_OR_CODE.name(),
            Self::FACE_OR_CARD_OR_CODE => Self::FACE_AND_CARD.name(),
            other => other.name(),
        }
    }
}
