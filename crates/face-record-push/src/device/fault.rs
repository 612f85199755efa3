//! What a badly behaved terminal does, on purpose.

use super::dice::Dice;

/// A misbehaviour of terminals that receivers must bear, from when it is switched on until it is
/// switched off.
///
/// Those that concern what is posted when are the machine's own; those of content and framing it
/// names in [`super::Post::faults`] for the driver, which hands them to [`crate::codec::deface`].
/// Switching one on again replaces its setting.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Sends no `Content-Type`.
    NoContentType,
    /// `user_id` as text where it is a number, as a number where it is text of digits.
    UserIdKind,
    /// `\/` for every `/` in the picture.
    EscapedSlashes,
    /// A line break after every 76 characters of the picture, escaped as JSON wants it.
    WrappedBase64,
    /// `" "` for the picture.
    BlankPicture,
    /// `null` for the user.
    NullUser,
    /// Every attempt after the first has one more byte of white space: a repetition that a receiver
    /// cannot tell by its bytes.
    Rewritten,
    /// `timestamp` off by so many seconds.
    ClockOff(i64),
    /// A comma after the last member, which is not JSON.
    TrailingComma,
    /// A picture of so many bytes of text.
    Oversize(u32),
    /// Posts an acknowledged record once more, with this probability. What comes of that is ignored.
    Duplicate(f64),
    /// Takes an acknowledgement for a broken connection, with this probability.
    LoseAck(f64),
    /// Posts the next record, too, while one is in flight, and ignores the answer to it: it is posted
    /// again in its turn.
    TwoAtOnce,
}

/// The faults that are switched on, each kind once.
#[derive(Debug, Default)]
pub(super) struct Faults {
    on: Vec<Fault>,
}

impl Faults {
    pub(super) fn switch_on(&mut self, fault: Fault) {
        let kind = std::mem::discriminant(&fault);
        self.on
            .retain(|other| std::mem::discriminant(other) != kind);
        self.on.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.on.clear();
    }

    /// What the driver is to do to a post.
    pub(super) fn of_post(&self, is_repetition: bool) -> Vec<Fault> {
        let is_drivers = |fault: &&Fault| match fault {
            Fault::Duplicate(_) | Fault::LoseAck(_) | Fault::TwoAtOnce => false,
            Fault::Rewritten => is_repetition,
            _ => true,
        };
        self.on.iter().filter(is_drivers).copied().collect()
    }

    pub(super) fn duplicates(&self, dice: &mut Dice) -> bool {
        self.strikes(dice, |fault| match fault {
            Fault::Duplicate(probability) => Some(probability),
            _ => None,
        })
    }

    pub(super) fn loses_ack(&self, dice: &mut Dice) -> bool {
        self.strikes(dice, |fault| match fault {
            Fault::LoseAck(probability) => Some(probability),
            _ => None,
        })
    }

    pub(super) fn posts_two(&self) -> bool {
        self.on.contains(&Fault::TwoAtOnce)
    }

    /// Chance is drawn only while the fault is on, so that it does not shift the delays of others.
    fn strikes(&self, dice: &mut Dice, of: impl Fn(Fault) -> Option<f64>) -> bool {
        let probability = self.on.iter().copied().find_map(of);
        probability.is_some_and(|probability| dice.strikes(probability))
    }
}
