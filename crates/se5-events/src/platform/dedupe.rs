//! Which events have been delivered before.

use super::KeyRule;
use crate::{Dialect, EventKey, FaceEvent};
use siphasher::sip::SipHasher24;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hasher as _;
use std::time::{Duration, Instant};

/// The events of the last minutes, by what is comparable between push and history.
///
/// A pushed event and its record pair up one to one, so two strangers in the same millisecond
/// stay two. Whichever of the pair comes first is new, the other is known.
#[derive(Debug)]
pub(super) struct Seen {
    rule: KeyRule,
    tolerance: i64,
    max: usize,
    window: Duration,
    entries: BTreeMap<Place, Entry>,
    ids: BTreeMap<(Side, EventKey), Place>,
    order: VecDeque<(Instant, Place)>,
    next: u64,
    ids_agree: bool, // an id of the push was once equal to one of the history
}

/// Who was seen where, when, and a number that makes it unique.
type Place = (u64, i64, u64);

#[derive(Debug, Clone, Copy)]
struct Entry {
    side: Side,
    id: Option<EventKey>,
    form: IdForm,
    score: u64,
    is_paired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Pushed,
    Recorded,
}

/// What of an event is compared.
#[derive(Debug, Clone, Copy)]
struct Facts {
    who: u64,
    time: Option<i64>,
    score: u64,
    id: Option<EventKey>,
    form: IdForm,
    is_named: bool, // the id alone is proof
}

/// What an id looks like: `1607062639.737444` and `1628066406652506` have different forms. Ids of
/// one form are taken to come from one counter, so that different ones name different events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IdForm(u64);

/// How likely a pushed event and a record are the same; less is likelier.
type Distance = (u8, bool, u64);

impl Seen {
    pub(super) fn new(rule: KeyRule, tolerance: i64, max: usize, window: Duration) -> Self {
        Self {
            rule,
            tolerance,
            max: max.max(1),
            window,
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            order: VecDeque::new(),
            next: 0,
            ids_agree: false,
        }
    }

    /// True if the pushed `event` is new; from now on it is known.
    pub(super) fn push(&mut self, now: Instant, event: &FaceEvent) -> bool {
        let facts = Facts::of(event, self.rule);
        if self.has_twin(&facts, Side::Pushed) {
            return false;
        }
        let partner = self
            .partners(&facts, Side::Recorded)
            .into_iter()
            .min()
            .map(|(_, place)| place);
        self.pair(partner);
        self.insert(now, facts, Side::Pushed, partner.is_some());
        partner.is_none()
    }

    /// For each record, whether it is new. Those not `inside` take part in the pairing, so that
    /// they do not lose their partners to others, and are otherwise left for later.
    pub(super) fn record(&mut self, now: Instant, records: &[(FaceEvent, bool)]) -> Vec<bool> {
        let facts: Vec<Facts> = records
            .iter()
            .map(|(record, _)| Facts::of(record, self.rule))
            .collect();
        let twins: Vec<bool> = facts
            .iter()
            .map(|facts| self.has_twin(facts, Side::Recorded))
            .collect();
        let open = || {
            (0..facts.len())
                .zip(&facts)
                .zip(&twins)
                .filter(|(_, twin)| !**twin)
        };
        self.ids_agree |= open().any(|((_, facts), _)| self.shares_id(facts));
        let mut pairs: Vec<(Distance, usize, Place)> = Vec::new();
        for ((nth, facts), _) in open() {
            let partners = self.partners(facts, Side::Pushed);
            pairs.extend(partners.into_iter().map(|(far, place)| (far, nth, place)));
        }
        //= docs/spec/se5-events.md#duplicates
        //# Live and recorded events MUST be matched one to one, nearest in time first.
        pairs.sort_unstable();
        let (mut taken, mut paired) = (BTreeSet::new(), BTreeMap::new());
        for (_, nth, place) in pairs {
            if !paired.contains_key(&nth) && taken.insert(place) {
                paired.insert(nth, place);
            }
        }
        let mut news = Vec::with_capacity(records.len());
        for (nth, ((facts, twin), (_, inside))) in
            facts.into_iter().zip(twins).zip(records).enumerate()
        {
            let partner = paired.get(&nth).copied();
            if *inside && !twin {
                self.pair(partner);
                self.insert(now, facts, Side::Recorded, partner.is_some());
            }
            news.push(*inside && !twin && partner.is_none());
        }
        news
    }

    /// Forgets what is older than the window, unless its time is `floor` or later.
    pub(super) fn forget(&mut self, now: Instant, floor: Option<i64>) {
        while let Some((came, place)) = self.order.front() {
            let is_old = now.saturating_duration_since(*came) > self.window;
            let is_needed = floor.is_some_and(|floor| place.1 >= floor);
            if self.order.len() <= self.max && (!is_old || is_needed) {
                break;
            }
            let place = *place;
            self.order.pop_front();
            let Some(entry) = self.entries.remove(&place) else {
                continue;
            };
            if let Some(id) = entry.id {
                if self.ids.get(&(entry.side, id)) == Some(&place) {
                    self.ids.remove(&(entry.side, id));
                }
            }
        }
    }

    /// The box has become another: nothing is known of its ids.
    pub(super) fn doubt_ids(&mut self) {
        self.ids_agree = false;
    }

    /// True if the same event came by the same way before.
    fn has_twin(&self, facts: &Facts, side: Side) -> bool {
        //= docs/spec/se5-events.md#duplicates
        //# Two events of dialect 2 that both have an id MUST be compared by it first.
        if facts.is_named {
            if let Some(id) = facts.id {
                if self.ids.contains_key(&(side, id)) {
                    return true;
                }
            }
        }
        if self.rule == KeyRule::Id {
            return false;
        }
        let same = |entry: &Entry| {
            //= docs/spec/se5-events.md#duplicates
            //# Two live events MUST count as the same if device, time, identity and score are all
            //# equal and no ids tell them apart.
            let ids_differ = entry.id.is_some() && facts.id.is_some() && entry.id != facts.id;
            entry.side == side && entry.score == facts.score && !ids_differ
        };
        let mut places = self.entries.range(facts.range(0));
        places.any(|(_, entry)| same(entry))
    }

    /// Events of the other side that may be this one, and are not paired.
    fn partners(&self, facts: &Facts, side: Side) -> Vec<(Distance, Place)> {
        let by_id = || {
            let place = *self
                .ids
                .get(&(side, facts.id.filter(|_| facts.is_named)?))?;
            let is_free = self
                .entries
                .get(&place)
                .is_some_and(|entry| !entry.is_paired);
            is_free.then_some(vec![((0, false, 0), place)])
        };
        if let Some(found) = by_id() {
            return found;
        }
        if self.rule == KeyRule::Id {
            return Vec::new();
        }
        //= docs/spec/se5-events.md#duplicates
        //# A live and a recorded event without common ids MUST count as the same if device and
        //# identity are equal and their times differ by at most `match_tolerance`.
        let places = self.entries.range(facts.range(self.tolerance));
        let free = places.filter(|(_, entry)| entry.side == side && !entry.is_paired);
        free.filter_map(|(place, entry)| {
            let by_id = match (entry.id, facts.id) {
                (Some(one), Some(other)) if one == other => 0,
                //= docs/spec/se5-events.md#duplicates
                //# Two ids of one form that differ MUST be taken to name two events.
                (Some(_), Some(_)) if self.ids_agree || entry.form == facts.form => return None,
                _ => 1,
            };
            let apart = facts.time.map_or(0, |time| time.abs_diff(place.1));
            Some(((by_id, entry.score != facts.score, apart), *place))
        })
        .collect()
    }

    /// True if a pushed event has this record's id, and nothing speaks against their being one.
    fn shares_id(&self, facts: &Facts) -> bool {
        facts.id.is_some()
            && self
                .partners(facts, Side::Pushed)
                .iter()
                .any(|((by_id, ..), _)| *by_id == 0)
    }

    fn pair(&mut self, place: Option<Place>) {
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(&place)) {
            entry.is_paired = true;
        }
    }

    fn insert(&mut self, now: Instant, facts: Facts, side: Side, is_paired: bool) {
        let place = (facts.who, facts.time.unwrap_or(i64::MIN), self.next);
        self.next = self.next.wrapping_add(1);
        let entry = Entry {
            side,
            id: facts.id,
            form: facts.form,
            score: facts.score,
            is_paired,
        };
        self.entries.insert(place, entry);
        self.order.push_back((now, place));
        if let Some(id) = facts.id {
            self.ids.insert((side, id), place);
        }
        //= docs/spec/se5-events.md#limits
        //# The subscriber MUST NOT remember more than `window_keys` events against duplicates.
        if self.order.len() > self.max {
            self.forget(now, Some(i64::MIN));
        }
    }
}

impl IdForm {
    fn of(id: &str) -> Self {
        let mut form = SipHasher24::new();
        for byte in id.trim().bytes() {
            form.write_u8(match byte {
                b'0'..=b'9' => b'0',
                b'a'..=b'z' | b'A'..=b'Z' => b'a',
                other => other,
            });
        }
        Self(form.finish())
    }
}

impl Facts {
    fn of(event: &FaceEvent, rule: KeyRule) -> Self {
        let time = event.timestamp().map(|timestamp| timestamp.unix.0);
        let id = event.id_key().filter(|_| rule != KeyRule::Fields);
        let mut who = SipHasher24::new();
        match time {
            Some(_) => {
                who.write(event.device_id().unwrap_or_default().as_bytes());
                who.write_u8(0xff);
                who.write(event.identity_id().unwrap_or_default().as_bytes());
            }
            // Without a time, strangers would all be one: only the very same message is.
            None => who.write(event.json()),
        }
        Self {
            who: who.finish(),
            time,
            score: event.score().map_or(u64::MAX, f64::to_bits),
            id,
            form: IdForm::of(&event.event_id().unwrap_or_default()),
            // No document of dialect 1 promises an id, so there it needs the fields as witnesses.
            is_named: id.is_some() && (rule == KeyRule::Id || event.dialect() == Dialect::V2),
        }
    }

    /// The places of what may be the same, up to `tolerance` apart.
    fn range(&self, tolerance: i64) -> std::ops::RangeInclusive<Place> {
        let (from, to) = self.time.map_or((i64::MIN, i64::MIN), |time| {
            (
                time.saturating_sub(tolerance),
                time.saturating_add(tolerance),
            )
        });
        (self.who, from, 0)..=(self.who, to, u64::MAX)
    }
}
