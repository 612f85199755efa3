//! What stands for a state of a machine: what it shows of itself, but for what does not matter.

use crate::plan::{HORIZON, LENGTH};
use std::hash::Hasher;
use std::time::Instant;
use testkit::digest::Digest;
use zzw_push_proto::platform::{NodeId, Platform, PublishId};

/// Two machines that have the same do the same from now on.
///
/// Times are told from now on; what is due after [`HORIZON`] never is. How long ago something was
/// matters of renewals only, all other times in the past are one. Requests to the store are told apart
/// by their order, publications by their distance from the oldest one. What is only counted, is left out.
pub(crate) fn digest_of(
    node: NodeId,
    machine: &Platform,
    now: Instant,
    publishing: Option<&PublishId>,
) -> u128 {
    let text = format!("{machine:?}");
    let now = time_of(&format!("{now:?}")).expect("a time");
    let mut digest = Digest::default();
    digest.write_u64(node.0);
    // Were it called otherwise, states would be taken for one that are not.
    assert!(text.contains(HELD), "when the lease was asked for");
    // The settings of all nodes are the same, but for their names.
    let settings = text.find(", links: ").expect("links");
    let mut rest = &text[settings..];
    while let Some(at) = MARKS.iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, behind) = rest.split_at(at);
        digest.write(before.as_bytes());
        rest = if behind.starts_with(COUNTERS) {
            behind_braces(behind)
        } else if let Some(time) = time_of(behind) {
            digest.write_u64(age(before, time, now));
            behind_braces(behind)
        } else if let Some(number) = behind.strip_prefix(PUBLISH) {
            let oldest = publishing.map_or(0, |id| id.0);
            digest.write_u64(number_of(number) - oldest);
            behind_number(behind)
        } else {
            behind_number(behind)
        };
    }
    digest.write(rest.as_bytes());
    digest.whole()
}

const COUNTERS: &str = "counters: Counters {";
const HELD: &str = "held: Held { since: ";
const INSTANT: &str = "Instant { tv_sec: ";
const PUBLISH: &str = "PublishId(";
const MARKS: [&str; 6] = [
    COUNTERS,
    INSTANT,
    PUBLISH,
    "Seq(",
    "next_seq: ",
    "next_publish: ",
];

/// Nanoseconds.
type Time = i128;

fn time_of(text: &str) -> Option<Time> {
    let (seconds, rest) = text.strip_prefix(INSTANT)?.split_once(", tv_nsec: ")?;
    let (nanos, _) = rest.split_once(" }")?;
    let seconds: Time = seconds.parse().ok()?;
    let nanos: Time = nanos.parse().ok()?;
    Some(seconds * 1_000_000_000 + nanos)
}

fn age(before: &str, time: Time, now: Time) -> u64 {
    let is_renewal = before
        .strip_suffix("Some(")
        .is_some_and(|it| it.ends_with(HELD))
        || before.ends_with("Renew(");
    let (horizon, length) = (HORIZON.as_nanos(), LENGTH.as_nanos());
    let ahead = time - now;
    let told = if ahead > 0 {
        ahead.min(Time::try_from(horizon).expect("some hours"))
    } else if is_renewal {
        // A lease that nobody has renewed for so long is over for everybody.
        ahead.max(-2 * Time::try_from(length).expect("some seconds"))
    } else {
        0
    };
    u64::from_ne_bytes(i64::try_from(told).expect("some hours").to_ne_bytes())
}

/// What comes behind the braces that open first.
fn behind_braces(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return &text[at + 1..],
            b'}' => depth -= 1,
            _ => {}
        }
    }
    ""
}

fn number_of(text: &str) -> u64 {
    let digits = text.split(|c: char| !c.is_ascii_digit()).next();
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("a number")
}

/// What comes behind the number that comes first.
fn behind_number(text: &str) -> &str {
    let Some(start) = text.find(|c: char| c.is_ascii_digit()) else {
        return "";
    };
    text[start..].trim_start_matches(|c: char| c.is_ascii_digit())
}
