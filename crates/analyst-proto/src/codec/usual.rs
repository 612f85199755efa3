//! Messages as machines write them, read in one go.
//!
//! Without escapes, without members that nobody knows and without odd spellings there is nothing to
//! look at twice. Whatever else there is comes to nothing here, and is read by [`super::read`], which
//! reads the same from the same.

use super::fields::{Slot, Slots};
use super::rest::Rest;
use super::{Lenience, Limits};
use crate::wire::{
    Action, Extra, Fail, Finish, Floor, GoodsBuilder, GoodsId, IdForm, Message, Progress, Start,
    Taken, TaskId, Text, Timeout, UnixMillis, WeightChange, put_in_order,
};
use bytes::Bytes;

/// Reads one message; `None` says nothing about it.
#[expect(clippy::inline_always, reason = "or the message is moved")]
#[inline(always)]
pub(super) fn message(payload: &Bytes, lenience: &Lenience) -> Option<Message> {
    // A list in an object in `data` is as deep as it gets.
    if payload.len() > lenience.limits.bytes || lenience.limits.depth < 4 {
        return None;
    }
    let mut rest = Rest(payload);
    let (mut action, mut data, mut has_data) = (None, Data::default(), false);
    let mut is_first = true;
    while rest.next(&mut is_first, b'{', b'}')? {
        let name = rest.quoted()?;
        rest.byte(b':')?;
        match name {
            b"action" if action.is_none() => action = Some(rest.action()?),
            b"data" if !has_data => {
                has_data = true;
                data.read(payload, &mut rest, lenience)?;
            }
            _ => return None,
        }
    }
    rest.space();
    if !rest.0.is_empty() {
        return None;
    }
    data.message(action?)
}

/// What stands in `data`.
#[derive(Default)]
struct Data {
    id: Option<(TaskId, IdForm)>,
    top_video: Option<Text>,
    goods_ids: Option<GoodsBuilder>,
    ass_video: Option<Text>,
    weight_info: Option<Vec<WeightChange>>,
    door_open: Option<UnixMillis>,
    door_close: Option<UnixMillis>,
    analyst_id: Option<Text>,
    result: Option<Outcome>,
    seen: u16,
}

enum Outcome {
    Taken(Taken),
    Reason(Text),
}

impl Data {
    /// Filled where it stands: it is too large to be handed around.
    fn read(&mut self, payload: &Bytes, rest: &mut Rest<'_>, lenience: &Lenience) -> Option<()> {
        let mut is_first = true;
        while rest.next(&mut is_first, b'{', b'}')? {
            let slot = rest.slot()?;
            let bit = 1_u16.wrapping_shl(slot as u32);
            if self.seen & bit != 0 {
                return None;
            }
            self.seen |= bit;
            match slot {
                Slot::Id => self.id = Some(rest.id(lenience)?),
                Slot::TopVideo => self.top_video = Some(rest.text(payload)?),
                Slot::GoodsIds => self.goods_ids = Some(rest.goods(&lenience.limits)?),
                Slot::ResultUpper => self.result = Some(rest.outcome(payload, &lenience.limits)?),
                _ if rest.is_null() => {}
                Slot::AssVideo => self.ass_video = Some(rest.text(payload)?),
                Slot::WeightInfo => self.weight_info = Some(rest.weights(&lenience.limits)?),
                Slot::DoorOpen => self.door_open = Some(rest.time()?),
                Slot::DoorClose => self.door_close = Some(rest.time()?),
                Slot::AnalystId => self.analyst_id = Some(rest.label(payload)?),
                Slot::ResultLower | Slot::ResultTitle => return None, // odd
            }
        }
        Some(())
    }

    /// The message, if there is all that it needs and nothing else.
    #[expect(clippy::inline_always, reason = "or all of it is moved")]
    #[inline(always)]
    fn message(self, action: Action) -> Option<Message> {
        let known = Slots::of(action);
        if !known.contains(self.seen) {
            return None;
        }
        let (extra, envelope) = (Extra::default(), Extra::default());
        let (id, id_form) = self.id?;
        Some(match action {
            Action::Start => Message::Start(Start {
                id,
                id_form,
                top_video: self.top_video?,
                goods_ids: self.goods_ids?.build(),
                ass_video: self.ass_video,
                weight_info: self.weight_info,
                door_open_timestamp: self.door_open,
                door_close_timestamp: self.door_close,
                analyst_id: self.analyst_id,
                extra,
                envelope,
            }),
            Action::Finish => match self.result? {
                Outcome::Taken(taken) => Message::Finish(Finish {
                    id,
                    id_form,
                    taken,
                    analyst_id: self.analyst_id,
                    extra,
                    envelope,
                }),
                Outcome::Reason(_) => return None,
            },
            Action::Fail => match self.result? {
                Outcome::Reason(reason) => Message::Fail(Fail {
                    id,
                    id_form,
                    reason,
                    analyst_id: self.analyst_id,
                    extra,
                    envelope,
                }),
                Outcome::Taken(_) => return None,
            },
            Action::Timeout => Message::Timeout(Timeout {
                id: Some(id),
                id_form,
                extra,
                envelope,
            }),
            Action::Progress => Message::Progress(Progress {
                id,
                id_form,
                extra,
                envelope,
            }),
        })
    }
}

impl Rest<'_> {
    fn text(&mut self, payload: &Bytes) -> Option<Text> {
        let text = self.quoted()?;
        Some(Text::validated(payload.slice_ref(text)))
    }

    fn action(&mut self) -> Option<Action> {
        let name = self.quoted()?;
        let is_named = |action: &Action| action.as_str().as_bytes() == name;
        Action::ALL.into_iter().find(is_named)
    }

    fn time(&mut self) -> Option<UnixMillis> {
        self.integer().map(UnixMillis)
    }

    fn id(&mut self, lenience: &Lenience) -> Option<(TaskId, IdForm)> {
        self.space();
        if let [b'"', behind @ ..] = self.0 {
            self.0 = behind;
            let id = self.natural().filter(|_| lenience.other_spellings)?;
            let [b'"', behind @ ..] = self.0 else {
                return None;
            };
            self.0 = behind;
            return Some((TaskId(id), IdForm::String));
        }
        Some((TaskId(self.natural()?), IdForm::Number))
    }

    /// A label as it is written: a text or digits.
    fn label(&mut self, payload: &Bytes) -> Option<Text> {
        self.space();
        let begin = self.0;
        if begin.starts_with(b"\"") {
            self.quoted()?;
        } else {
            self.natural()?;
        }
        let taken = begin.len().wrapping_sub(self.0.len());
        Some(Text::validated(payload.slice_ref(begin.get(..taken)?)))
    }

    fn goods(&mut self, limits: &Limits) -> Option<GoodsBuilder> {
        let marks = self.tally(b'}', |byte| matches!(byte, b',' | b':'));
        let most = limits.floors.saturating_add(limits.goods);
        let mut goods = GoodsBuilder::with_room(marks, most);
        let (mut floors, mut ids) = (0_usize, 0_usize);
        // A copy, to which no call has a reference, can stay in registers.
        let mut rest = Rest(self.0);
        let mut is_first = true;
        while rest.next(&mut is_first, b'{', b'}')? {
            let floor = Floor(rest.numbered()?);
            floors = floors
                .checked_add(1)
                .filter(|floors| *floors <= limits.floors)?;
            goods.open(floor);
            let mut is_first = true;
            while rest.next(&mut is_first, b'[', b']')? {
                rest.space();
                goods.push(GoodsId(rest.natural()?));
                ids = ids.checked_add(1).filter(|ids| *ids <= limits.goods)?;
            }
            // The generic reader knows what to do if a floor is there twice.
            if goods.close() {
                return None;
            }
        }
        self.0 = rest.0;
        Some(goods)
    }

    fn weights(&mut self, limits: &Limits) -> Option<Vec<WeightChange>> {
        let many = self.tally(b']', |byte| byte == b'{');
        let mut weights = Vec::with_capacity(many.min(limits.weights));
        let mut is_first = true;
        while self.next(&mut is_first, b'[', b']')? {
            if weights.len() >= limits.weights {
                return None;
            }
            weights.push(self.weight()?);
        }
        Some(weights)
    }

    fn weight(&mut self) -> Option<WeightChange> {
        let (mut start, mut end, mut weight, mut floor) = (None, None, None, None);
        let mut is_first = true;
        while self.next(&mut is_first, b'{', b'}')? {
            self.space();
            let is_repeated = if self.is_named(b"\"startTimeStamp\"") {
                start.replace(self.time_behind()?).is_some()
            } else if self.is_named(b"\"endTimeStamp\"") {
                end.replace(self.time_behind()?).is_some()
            } else if self.is_named(b"\"weight\"") {
                self.byte(b':')?;
                weight.replace(self.integer()?).is_some()
            } else if self.is_named(b"\"floor\"") {
                self.byte(b':')?;
                floor.replace(Floor(self.integer()?)).is_some()
            } else {
                return None;
            };
            if is_repeated {
                return None;
            }
        }
        Some(WeightChange::new(floor?, weight?, start?, end?))
    }

    /// The next member of `data`, with the colon behind its name.
    fn slot(&mut self) -> Option<Slot> {
        self.space();
        let slot = if self.is_named(b"\"id\"") {
            Slot::Id
        } else if self.is_named(b"\"top_video\"") {
            Slot::TopVideo
        } else if self.is_named(b"\"goods_ids\"") {
            Slot::GoodsIds
        } else if self.is_named(b"\"RESULT\"") {
            Slot::ResultUpper
        } else if self.is_named(b"\"ass_video\"") {
            Slot::AssVideo
        } else if self.is_named(b"\"weight_info\"") {
            Slot::WeightInfo
        } else if self.is_named(b"\"door_open_timestamp\"") {
            Slot::DoorOpen
        } else if self.is_named(b"\"door_close_timestamp\"") {
            Slot::DoorClose
        } else if self.is_named(b"\"analyst_id\"") {
            Slot::AnalystId
        } else {
            return None;
        };
        self.byte(b':')?;
        Some(slot)
    }

    #[inline]
    fn time_behind(&mut self) -> Option<UnixMillis> {
        self.byte(b':')?;
        self.time()
    }

    fn outcome(&mut self, payload: &Bytes, limits: &Limits) -> Option<Outcome> {
        self.space();
        if self.0.starts_with(b"\"") {
            return self.text(payload).map(Outcome::Reason);
        }
        let many = self.tally(b'}', |byte| byte == b':');
        let mut taken = Vec::with_capacity(many.min(limits.goods));
        let mut is_first = true;
        while self.next(&mut is_first, b'{', b'}')? {
            if taken.len() >= limits.goods {
                return None;
            }
            let goods: i64 = self.numbered()?;
            taken.push((GoodsId(u64::try_from(goods).ok()?), self.integer()?));
        }
        let many = taken.len();
        put_in_order(&mut taken);
        (taken.len() == many).then_some(Outcome::Taken(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::odd_message;
    use super::{Lenience, message};
    use bytes::Bytes;
    use proptest::prelude::*;

    /// What is read here is read likewise by the reader of everything.
    fn check(json: &str) -> bool {
        let payload = Bytes::from(json.to_owned());
        let readers = [Lenience::strict(), Lenience::field(), Lenience::document()];
        let mut small = Lenience::field();
        small.limits.floors = 1;
        small.limits.goods = 2;
        small.limits.weights = 1;
        for lenience in readers.iter().chain([&small]) {
            if let Some(message) = message(&payload, lenience) {
                assert_eq!(odd_message(&payload, lenience), Ok(message), "{json}");
            }
        }
        message(&payload, &Lenience::field()).is_some()
    }

    fn value() -> impl Strategy<Value = &'static str> + Clone {
        prop::sample::select(vec![
            "1",
            "-1",
            "0",
            "-0",
            "01",
            "1.0",
            "1e1",
            "18446744073709551615",
            "\"7\"",
            "\"07\"",
            "\"a\"",
            "\"\"",
            "\"\\n\"",
            "null",
            "{}",
            "[]",
            "[ ]",
            "\"a#1\"",
            "true",
            "2147483648",
            r#"{"1":[2,1]}"#,
            r#"{"2":[1],"1":[3, 4],"-1":[]}"#,
            r#"{"1":[1],"1":[2]}"#,
            r#"{"01":[1]}"#,
            r#"{"-0":[1]}"#,
            r#"{"1":[-1]}"#,
            r#"{"1":[1,]}"#,
            r#"{"1":2,"3":-4}"#,
            r#"{"3":1,"1":2}"#,
            r#"{"1":1,"1":2}"#,
            r#"{" 1":1}"#,
            r#"{"1 ":1}"#,
            r#"{"-1":1}"#,
            r#"[{"startTimeStamp":1,"endTimeStamp":2,"weight":-3,"floor":4}]"#,
            r#"[{"startTimeStamp":1,"endTimeStamp":2,"weight":3},{}]"#,
            r#"[{"floor":4,"weight":-3,"endTimeStamp":2,"startTimeStamp":1,"x":1}]"#,
            r#"[{"floor":4,"weight":-3,"endTimeStamp":2,"startTimeStamp":1,"floor":1}]"#,
        ])
    }

    fn member() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec![
            "id",
            "top_video",
            "goods_ids",
            "ass_video",
            "weight_info",
            "door_open_timestamp",
            "door_close_timestamp",
            "analyst_id",
            "RESULT",
            "result",
            "x",
        ]);
        (name, value()).prop_map(|(name, value)| format!("\"{name}\":{value}"))
    }

    fn action() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "START", "FINISH", "FAIL", "TIMEOUT", "PROGRESS", "start",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_is_read_in_one_go_is_read_likewise_by_the_other_reader(
            action in action(),
            mut members in prop::collection::vec(member(), 0..3),
            is_usual in any::<bool>(),
            values in (value(), value()),
        ) {
            if is_usual {
                let (first, second) = values;
                members.truncate(1);
                members.push("\"id\":1".to_owned());
                members.push(match action {
                    "START" => format!(r#""top_video":"v","goods_ids":{first},"weight_info":{second}"#),
                    _ => format!(r#""RESULT":{first}"#),
                });
            }
            let data = members.join(", ");
            check(&format!(r#"{{"action":"ANALYSIS_{action}","data":{{{data}}}}}"#));
            check(&format!(r#"{{"data": {{{data}}}, "action":"ANALYSIS_{action}"}} "#));
        }
    }

    #[test]
    fn what_machines_write_is_read_in_one_go() {
        for json in [
            r#"{"action":"ANALYSIS_TIMEOUT","data":{"id":18446744073709551615}}"#,
            r#"{"action": "ANALYSIS_PROGRESS", "data": {"id": "7"}}"#,
            r#"{"data":{"RESULT":{"17":4,"16":-3},"id":7,"analyst_id":"a#1"},"action":"ANALYSIS_FINISH"}"#,
            r#"{"action":"ANALYSIS_FAIL","data":{"id":7,"RESULT":"不"}}"#,
            r#"{"action":"ANALYSIS_START","data":{"id":7,"top_video":"v","goods_ids":{"3":[1],"-1":[2,2]},"ass_video":null,"weight_info":[],"door_open_timestamp":-1,"door_close_timestamp":null,"analyst_id":7}}"#,
        ] {
            assert!(check(json), "{json}");
        }
    }
}
