//! Who gets connection information: the server's part that needs neither socket nor clock.

use crate::RequestError;
use crate::sign::{Preset, Signer, SigningKey};
use crate::wire::{ErrorCode, InfoReply, Rejection, Secret, SignedRequest, Text, UnixMillis};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Judges requests for connection information.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    config: DeskConfig,
    decoy: SigningKey, // verifies for names that nobody has, so that they take as long
    seen: BTreeSet<Seen>,
    arrived: VecDeque<Seen>, // the same, in order of arrival; only without a window
    floor: Option<UnixMillis>, // up to here nothing is new any more
}

/// A request that was taken. Its signature follows from this and can be spelled in several ways.
type Seen = (UnixMillis, Text);

/// How requests for connection information are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeskConfig {
    /// How requests are signed, so that it takes as long to refuse a name that nobody has;
    /// [`Preset::MakeMd5`].
    pub preset: Preset,
    /// How far the clock of whoever asks may be off; 5 min. `None` takes any time.
    pub window: Option<Duration>,
    /// What becomes of a request that comes once more; it is rejected.
    pub replay: Replay,
    /// Most requests that are remembered; 10,000.
    pub max_seen: usize,
    /// What refusals are answered with.
    pub codes: ErrorCodes,
}

/// What becomes of a request that comes once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Replay {
    /// It is refused.
    #[default]
    Reject,
    /// It is answered like the first: whoever overhears one can ask until its time is over.
    Allow,
}

/// `status` of each refusal. The document has only 4, for a wrong signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ErrorCodes {
    /// A parameter is missing, or none; 1.
    pub parameter: ErrorCode,
    /// The timestamp is outside of the window; 3.
    pub stale: ErrorCode,
    /// Nobody has this name; 4, as for a wrong signature, so that names cannot be tried out.
    pub unknown: ErrorCode,
    /// It came before; 4.
    pub replay: ErrorCode,
    /// It came from an address that is not listed; 5.
    pub white_list: ErrorCode,
}

/// Why a request for connection information is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It cannot be read.
    #[error("{0}")]
    Parameter(RequestError),
    /// Nobody has this name.
    #[error("nobody has this name: register it")]
    Unknown,
    /// The signature is wrong.
    #[error("the signature is wrong: see to the key, and to how it signs")]
    Sign,
    /// The timestamp is outside of the window.
    #[error("the timestamp is too old or in the future: set the clocks")]
    Stale,
    /// It came before.
    #[error("the same request came before: somebody repeats it, or its clock stands still")]
    Replay,
    /// It came from an address that is not listed; for drivers, which know addresses.
    #[error("it came from an address that is not listed")]
    WhiteList,
}

impl Desk {
    pub(crate) fn new(config: DeskConfig) -> Self {
        Self {
            decoy: SigningKey::new(config.preset, &Secret::new("of nobody")),
            config,
            seen: BTreeSet::new(),
            arrived: VecDeque::new(),
            floor: None,
        }
    }

    /// Takes or refuses a request that arrives when it is `wall`. `key_of` knows the keys of those
    /// who are registered.
    pub(crate) fn verify<'k>(
        &mut self,
        wall: UnixMillis,
        request: &SignedRequest,
        key_of: impl FnOnce(&str) -> Option<&'k dyn Signer>,
    ) -> Result<(), Refusal> {
        let key = key_of(request.name());
        //= docs/spec/analyst-proto.md#signature
        //# A request with an unknown name MUST be answered as one with a wrong signature, in the same
        //# time.
        let is_signed = request.is_signed_by(key.unwrap_or(&self.decoy));
        if key.is_none() {
            return Err(Refusal::Unknown);
        }
        if !is_signed {
            return Err(Refusal::Sign);
        }
        self.check_time(wall, request.at())?;
        if self.config.replay == Replay::Reject {
            self.remember(request)?;
        }
        Ok(())
    }

    /// The reply to a request that was refused.
    pub(crate) fn reply(&self, refusal: Refusal) -> InfoReply {
        InfoReply::Rejected(refusal.rejection(&self.config.codes))
    }

    fn check_time(&mut self, wall: UnixMillis, at: UnixMillis) -> Result<(), Refusal> {
        let Some(window) = self.config.window else {
            return Ok(());
        };
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        //= docs/spec/analyst-proto.md#connection-information
        //# A request MUST be refused whose timestamp is more than 5 minutes from the server's clock,
        //# unless another window is configured or none.
        let is_off = at.since(wall).unsigned_abs() > window.unsigned_abs();
        if is_off || self.floor.is_some_and(|floor| at <= floor) {
            return Err(Refusal::Stale);
        }
        let oldest = wall.plus(window.saturating_neg());
        while self.seen.first().is_some_and(|(at, _)| *at < oldest) {
            self.forget_first();
        }
        Ok(())
    }

    //= docs/spec/analyst-proto.md#connection-information
    //# A request that came before with the same name and timestamp MUST be refused unless replays are
    //# allowed.
    fn remember(&mut self, request: &SignedRequest) -> Result<(), Refusal> {
        let seen = (request.at(), Text::from(request.name()));
        if self.config.window.is_none() {
            self.arrived.push_back(seen.clone());
        }
        if !self.seen.insert(seen) {
            self.arrived.pop_back();
            return Err(Refusal::Replay);
        }
        //= docs/spec/analyst-proto.md#connection-information
        //# The server MUST NOT remember more than 10000 requests, or as many as are configured, and
        //# what it forgets MUST NOT be taken again within the window.
        while self.seen.len() > self.config.max_seen {
            match self.arrived.pop_front() {
                Some(oldest) => drop(self.seen.remove(&oldest)),
                None => self.forget_first(),
            }
        }
        Ok(())
    }

    /// Forgets the request with the earliest timestamp: from now on that and all before it are old.
    fn forget_first(&mut self) {
        let first = self.seen.pop_first().map(|(at, _)| at);
        self.floor = self.floor.max(first);
    }
}

impl DeskConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            preset: Preset::default(),
            window: Some(Duration::from_secs(5 * 60)),
            replay: Replay::Reject,
            max_seen: 10_000,
            codes: ErrorCodes::default(),
        }
    }
}

impl Refusal {
    /// What it is answered with. Nothing tells an unknown name and a replay from a wrong signature.
    pub fn rejection(&self, codes: &ErrorCodes) -> Rejection {
        let (code, msg) = match self {
            Self::Parameter(error) => return Rejection::new(codes.parameter, error.to_string()),
            Self::Unknown => (codes.unknown, ErrorCode::SIGN_INVALID_MSG),
            Self::Sign => (ErrorCode::SignInvalid, ErrorCode::SIGN_INVALID_MSG),
            Self::Stale => (codes.stale, "timestamp is too far from the server's clock"),
            Self::Replay => (codes.replay, ErrorCode::SIGN_INVALID_MSG),
            Self::WhiteList => (codes.white_list, "ip not in  white_list"),
        };
        Rejection::new(code, msg)
    }
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for ErrorCodes {
    fn default() -> Self {
        Self {
            parameter: ErrorCode::Other(1),
            stale: ErrorCode::Other(3),
            unknown: ErrorCode::SignInvalid,
            replay: ErrorCode::SignInvalid,
            white_list: ErrorCode::Other(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ConnectionInfoRequest;
    use proptest::prelude::*;

    const NOW: UnixMillis = UnixMillis(1_558_583_537_598);

    fn key() -> SigningKey {
        SigningKey::new(Preset::MakeMd5, &Secret::new("test-secret"))
    }

    fn request(name: &str, at: UnixMillis) -> SignedRequest {
        let request = ConnectionInfoRequest::new(name, at).unwrap();
        request.signed(&key())
    }

    /// What a desk that knows everybody but `nobody` says.
    fn verdict(desk: &mut Desk, wall: UnixMillis, request: &SignedRequest) -> Result<(), Refusal> {
        let key = key();
        desk.verify(wall, request, |name| {
            (name != "nobody").then_some(&key as &dyn Signer)
        })
    }

    #[test]
    //= docs/spec/analyst-proto.md#signature
    //= type=test
    //# A request with an unknown name MUST be answered as one with a wrong signature, in the same
    //# time.
    fn an_unknown_name_is_answered_like_a_wrong_signature() {
        let mut desk = Desk::new(DeskConfig::new());
        let unknown = verdict(&mut desk, NOW, &request("nobody", NOW)).unwrap_err();
        let query = "name=a&timestamp=1558583537598&sign=00000000000000000000000000000000";
        let wrong = SignedRequest::parse(query, b"").unwrap();
        let wrong = verdict(&mut desk, NOW, &wrong).unwrap_err();
        assert_eq!((unknown, wrong), (Refusal::Unknown, Refusal::Sign));
        assert_eq!(desk.reply(unknown), desk.reply(wrong));
        assert_eq!(
            desk.reply(wrong),
            InfoReply::rejected(ErrorCode::SignInvalid)
        );
    }

    #[test]
    //= docs/spec/analyst-proto.md#connection-information
    //= type=test
    //# A request MUST be refused whose timestamp is more than 5 minutes from the server's clock,
    //# unless another window is configured or none.
    fn a_13_timestamps_are_held_against_the_window() {
        let five = 5 * 60 * 1000;
        for (off, expected) in [
            (0, Ok(())),
            (five, Ok(())),
            (-five, Ok(())),
            (five + 1, Err(Refusal::Stale)),
            (-five - 1, Err(Refusal::Stale)),
        ] {
            let mut desk = Desk::new(DeskConfig::new());
            assert_eq!(
                verdict(&mut desk, NOW, &request("a", NOW.plus(off))),
                expected,
                "{off}"
            );
            let mut any = DeskConfig::new();
            any.window = None;
            let mut desk = Desk::new(any);
            assert_eq!(
                verdict(&mut desk, NOW, &request("a", NOW.plus(off))),
                Ok(())
            );
        }
    }

    #[test]
    //= docs/spec/analyst-proto.md#connection-information
    //= type=test
    //# A request that came before with the same name and timestamp MUST be refused unless replays are
    //# allowed.
    fn a_13_a_request_is_taken_once() {
        for window in [Some(Duration::from_secs(300)), None] {
            let mut config = DeskConfig::new();
            config.window = window;
            let mut desk = Desk::new(config.clone());
            let first = request("a", NOW);
            assert_eq!(verdict(&mut desk, NOW, &first), Ok(()));
            assert_eq!(
                verdict(&mut desk, NOW.plus(9), &first),
                Err(Refusal::Replay)
            );
            // The same signature in other letters.
            let mut query = String::new();
            first.encode_query(&mut query);
            let (params, sign) = query.split_once("sign=").unwrap();
            let again = format!("{params}sign={}", sign.to_ascii_lowercase());
            let again = SignedRequest::parse(&again, b"").unwrap();
            assert_eq!(verdict(&mut desk, NOW, &again), Err(Refusal::Replay));
            assert_eq!(verdict(&mut desk, NOW, &request("b", NOW)), Ok(()));
            assert_eq!(verdict(&mut desk, NOW, &request("a", NOW.plus(1))), Ok(()));
            config.replay = Replay::Allow;
            let mut desk = Desk::new(config);
            assert_eq!(verdict(&mut desk, NOW, &first), Ok(()));
            assert_eq!(verdict(&mut desk, NOW, &first), Ok(()));
        }
    }

    #[test]
    fn a_wrong_signature_is_not_remembered() {
        let mut desk = Desk::new(DeskConfig::new());
        let query = format!("name=a&timestamp={}&sign=00", NOW.0);
        let wrong = SignedRequest::parse(&query, b"").unwrap();
        assert_eq!(verdict(&mut desk, NOW, &wrong), Err(Refusal::Sign));
        assert_eq!(verdict(&mut desk, NOW, &request("a", NOW)), Ok(()));
    }

    #[test]
    fn refusals_have_the_codes_that_are_configured() {
        let mut config = DeskConfig::new();
        for (refusal, code) in [
            (Refusal::Parameter(RequestError::Missing("sign")), 1),
            (Refusal::Stale, 3),
            (Refusal::Unknown, 4),
            (Refusal::Sign, 4),
            (Refusal::Replay, 4),
            (Refusal::WhiteList, 5),
        ] {
            assert_eq!(refusal.rejection(&config.codes).code, ErrorCode::from(code));
        }
        config.codes.stale = ErrorCode::SignInvalid;
        let rejection = Refusal::Stale.rejection(&config.codes);
        assert_eq!(rejection.code, ErrorCode::SignInvalid);
    }

    proptest! {
        #[test]
        //= docs/spec/analyst-proto.md#connection-information
        //= type=test
        //# The server MUST NOT remember more than 10000 requests, or as many as are configured, and
        //# what it forgets MUST NOT be taken again within the window.
        fn nothing_is_taken_twice_however_the_clock_jumps(
            steps in prop::collection::vec((0_i64..40, 0_i64..40), 1..60),
            max_seen in 0_usize..8,
        ) {
            let mut config = DeskConfig::new();
            config.window = Some(Duration::from_millis(10));
            config.max_seen = max_seen;
            let mut desk = Desk::new(config);
            let mut taken = BTreeSet::new();
            for (wall, at) in steps {
                if verdict(&mut desk, NOW.plus(wall), &request("a", NOW.plus(at))).is_ok() {
                    prop_assert!(taken.insert(at), "{at} was taken twice");
                }
                prop_assert!(desk.seen.len() <= max_seen);
                prop_assert!(desk.arrived.is_empty());
            }
        }
    }
}
