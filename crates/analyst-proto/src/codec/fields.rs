//! Where the known members of a message stand, found in one walk.

use crate::WireErrorKind;
use crate::wire::Action;
use lenient_wire::{Kind, Scanner, Value, text};
use std::ops::Range;

/// The places of the members of `data` that some message knows.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    object: Range<usize>, // all of them
    places: [Value; Slot::COUNT],
    seen: Slots,
    repeated: Slots,
    has_unknown: bool,
}

/// A member of `data` that some message knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Id,
    TopVideo,
    GoodsIds,
    AssVideo,
    WeightInfo,
    DoorOpen,
    DoorClose,
    AnalystId,
    ResultUpper,
    ResultLower,
    ResultTitle,
}

/// Several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slots(u16);

impl Slot {
    const ALL: [Self; 11] = [
        Self::Id,
        Self::TopVideo,
        Self::GoodsIds,
        Self::AssVideo,
        Self::WeightInfo,
        Self::DoorOpen,
        Self::DoorClose,
        Self::AnalystId,
        Self::ResultUpper,
        Self::ResultLower,
        Self::ResultTitle,
    ];

    const COUNT: usize = Self::ALL.len();

    /// The member of that name.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"id" => Self::Id,
            b"top_video" => Self::TopVideo,
            b"goods_ids" => Self::GoodsIds,
            b"ass_video" => Self::AssVideo,
            b"weight_info" => Self::WeightInfo,
            b"door_open_timestamp" => Self::DoorOpen,
            b"door_close_timestamp" => Self::DoorClose,
            b"analyst_id" => Self::AnalystId,
            b"RESULT" => Self::ResultUpper,
            b"result" => Self::ResultLower,
            b"Result" => Self::ResultTitle,
            _ => return None,
        })
    }

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::TopVideo => "top_video",
            Self::GoodsIds => "goods_ids",
            Self::AssVideo => "ass_video",
            Self::WeightInfo => "weight_info",
            Self::DoorOpen => "door_open_timestamp",
            Self::DoorClose => "door_close_timestamp",
            Self::AnalystId => "analyst_id",
            Self::ResultUpper => "RESULT",
            Self::ResultLower => "result",
            Self::ResultTitle => "Result",
        }
    }
}

impl Slots {
    /// The members that messages of this action know.
    pub(super) const fn of(action: Action) -> Self {
        const RESULT: u16 = bit(Slot::Id)
            | bit(Slot::AnalystId)
            | bit(Slot::ResultUpper)
            | bit(Slot::ResultLower)
            | bit(Slot::ResultTitle);
        Self(match action {
            Action::Start => {
                bit(Slot::Id)
                    | bit(Slot::TopVideo)
                    | bit(Slot::GoodsIds)
                    | bit(Slot::AssVideo)
                    | bit(Slot::WeightInfo)
                    | bit(Slot::DoorOpen)
                    | bit(Slot::DoorClose)
                    | bit(Slot::AnalystId)
            }
            Action::Finish | Action::Fail => RESULT,
            Action::Timeout | Action::Progress => bit(Slot::Id),
        })
    }

    /// True if there are no others among these, a bit for each.
    pub(super) const fn contains(self, others: u16) -> bool {
        others & !self.0 == 0
    }

    pub(super) const fn has(self, slot: Slot) -> bool {
        self.0 & bit(slot) != 0
    }
}

const fn bit(slot: Slot) -> u16 {
    1_u16.wrapping_shl(slot as u32)
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            object: 0..0,
            places: [Value::default(); Slot::COUNT],
            seen: Slots::default(),
            repeated: Slots::default(),
            has_unknown: false,
        }
    }
}

impl Fields {
    /// Walks the object that stands next in `scan`, a scanner of `json`.
    //= docs/spec/analyst-proto.md#message
    //# The order of members MUST NOT change what a message says.
    pub(super) fn read(json: &[u8], scan: &mut Scanner<'_>) -> Result<Self, WireErrorKind> {
        let mut fields = Self::default();
        fields.object.start = scan.offset();
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            let value = scan.value()?;
            match slot(json, key) {
                Some(slot) => fields.note(slot, value),
                None => fields.has_unknown = true,
            }
        }
        fields.object.end = scan.offset();
        Ok(fields)
    }

    /// Where the object stands.
    pub(super) fn object(&self) -> Range<usize> {
        self.object.clone()
    }

    /// Where a member stands; a missing value if it does not.
    pub(super) fn of(&self, slot: Slot) -> Value {
        self.places.get(slot as usize).copied().unwrap_or_default()
    }

    /// The first member known to `action` that occurs twice.
    pub(super) fn repeated(&self, known: Slots) -> Option<Slot> {
        let repeated = Slots(self.repeated.0 & known.0);
        Slot::ALL.into_iter().find(|slot| repeated.has(*slot))
    }

    /// True if there are members beyond the known.
    pub(super) fn has_extra(&self, known: Slots) -> bool {
        self.has_unknown || self.seen.0 & !known.0 != 0
    }

    //= docs/spec/analyst-proto.md#message
    //# If a member occurs twice in one object, the last one MUST win.
    fn note(&mut self, slot: Slot, value: Value) {
        self.repeated.0 |= self.seen.0 & bit(slot);
        self.seen.0 |= bit(slot);
        if let Some(place) = self.places.get_mut(slot as usize) {
            *place = value;
        }
    }
}

/// The member that a name found in `json` is.
pub(super) fn slot(json: &[u8], key: Value) -> Option<Slot> {
    match key.kind {
        Kind::EscapedText => Slot::of(text(json, key)?.as_bytes()),
        _ => Slot::of(key.of(json)),
    }
}
