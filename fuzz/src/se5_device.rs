//! The SE5 box: operation lists, against its invariants.

use arbitrary::{Arbitrary, Result, Unstructured};
use se5_events::device::{
    Config, Device, EmptyList, Event, Fault, Input, LinkId, Output, Peer, Reboot,
};
use se5_events::{
    Answer, Ask, DeviceInfo, Dialect, ExchangeId, FromBox, HistoryQuery, Limits, RemotePicture,
    Sighting, Subscription, ToBox, UnixMillis, codec,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Whatever happens to a box: nothing is sent that was not asked for, every event that was asked for
/// is counted once as sent or dropped, every question is answered once, timers move on, memory stays
/// bounded, draining late changes nothing, and closed is said once and last.
pub fn ops(data: &[u8]) {
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let now = Instant::now();
    let mut eager = Watch::default();
    let _ = run(&mut Unstructured::new(data), now, &mut |device| {
        eager.drain(device);
    });
    let mut lazy = Watch::default();
    let last = run(&mut Unstructured::new(data), now, &mut |_| {});
    if let Ok(mut device) = last {
        lazy.drain(&mut device);
        assert_eq!(
            eager.outputs, lazy.outputs,
            "draining late changed the outputs"
        );
        let closed = Output::Event(Event::Closed(se5_events::device::Reason::Local));
        assert_eq!(lazy.outputs.last(), Some(&closed));
        assert_eq!(
            lazy.outputs
                .iter()
                .filter(|&output| *output == closed)
                .count(),
            1
        );
        assert_eq!(device.poll_timeout(), None);
        let answered: usize = lazy.answers.len();
        assert_eq!(
            answered as u64,
            device.counters().asked,
            "a question was not answered"
        );
        let counters = device.counters();
        assert_eq!((counters.sent, counters.dropped), (lazy.sent, lazy.dropped));
    }
}

const DEVICES: [&str; 3] = ["gate", "door", "机房/7"];

/// Sets the box may not exceed, small enough to be reached.
fn config(input: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::new(input.arbitrary()?);
    config.dialect = dialect(input)?;
    (config.max_links, config.max_queue, config.max_history) = (4, 3, 8);
    (config.max_questions, config.max_devices) = (2, 2);
    config.max_outputs = usize::MAX; // else draining late is refused what draining early is not
    config.script_ids = input.arbitrary()?;
    config.refuse_after = input.arbitrary()?;
    if input.arbitrary()? {
        config.empty_list = EmptyList::All;
    }
    Ok(config)
}

fn dialect(input: &mut Unstructured<'_>) -> Result<Dialect> {
    Ok(if input.arbitrary()? {
        Dialect::V2
    } else {
        Dialect::V1
    })
}

/// Applies at most 200 operations, then closes the box.
fn run(
    input: &mut Unstructured<'_>,
    mut now: Instant,
    watch: &mut dyn FnMut(&mut Device),
) -> Result<Device> {
    let mut device = Device::new(config(input)?);
    for nth in 0..200 {
        if input.is_empty() {
            break;
        }
        let next = now + Duration::from_millis(input.int_in_range(0..=1_500)?);
        // A driver's timers, at most so many of them.
        for _ in 0..64 {
            let Some(due) = device.poll_timeout().filter(|&due| due <= next) else {
                break;
            };
            device.handle_timeout(due);
            assert!(
                device.poll_timeout().is_none_or(|later| later > due),
                "a timer spins"
            );
        }
        now = next;
        step(input, &mut device, now, nth)?;
        assert!(device.history_len() <= 8);
        assert!(device.links().count() <= 4);
        assert!(device.devices().count() <= 2);
        assert!(device.links().all(|link| link.waiting <= 3 + 2));
        watch(&mut device);
    }
    device.close(now);
    watch(&mut device);
    Ok(device)
}

fn step(input: &mut Unstructured<'_>, device: &mut Device, now: Instant, nth: u64) -> Result<()> {
    let link = LinkId(input.int_in_range(0..=5)?);
    match input.int_in_range(0..=19)? {
        0..=1 => device.handle_input(now, Input::Connected(link, Peer::default())),
        2..=3 => {
            let mut wanted = Subscription::new(Vec::<String>::new());
            for _ in 0..input.int_in_range(0..=3)? {
                wanted.devices.push((*input.choose(&DEVICES)?).to_owned());
            }
            (wanted.faces, wanted.registered) = input.arbitrary()?;
            let message = ToBox::Subscribe(dialect(input)?, wanted);
            device.handle_input(now, Input::Received(link, message));
        }
        4 => {
            let raw: &[u8] = input.bytes(3.min(input.len()))?;
            if let Err(error) = Subscription::decode(raw.to_vec().into(), &Limits::default()) {
                device.handle_input(now, Input::Garbled(link, error));
            }
        }
        5 => device.handle_input(now, Input::Received(link, ToBox::Ping)),
        6 => device.handle_input(now, Input::Slow(link)),
        7 => device.handle_input(now, Input::Ready(link)),
        8 => device.handle_input(now, Input::Disconnected(link)),
        9..=12 => {
            let sighting = sighting(input, nth)?;
            let _ = device.emit(now, sighting);
        }
        13..=14 => {
            let (spoken, ask) = (dialect(input)?, question(input)?);
            device.handle_input(now, Input::Asked(ExchangeId(nth), spoken, ask));
        }
        15..=16 => device.fault(now, fault(input)?),
        17 => device.clear_faults(now),
        18 => {
            let name = *input.choose(&DEVICES)?;
            if input.arbitrary()? {
                let _ = device.add_device(now, DeviceInfo::new(name));
            } else {
                device.remove_device(now, name);
            }
        }
        _ if input.arbitrary()? => device.cut_links(now),
        _ => {
            let mut how = Reboot::default();
            how.keep_history = input.arbitrary()?;
            how.dialect = Some(dialect(input)?);
            device.reboot(now, how);
        }
    }
    Ok(())
}

fn sighting(input: &mut Unstructured<'_>, nth: u64) -> Result<Sighting> {
    let at = UnixMillis(1_607_062_639_000 + input.int_in_range(-2_000_i64..=2_000)?);
    let mut sighting = Sighting::new(format!("7.{nth}"), *input.choose(&DEVICES)?, at);
    sighting.score = f64::arbitrary(input)?;
    sighting.identity_name = String::arbitrary(input)?;
    let pictures: [bool; 3] = input.arbitrary()?;
    let jpeg = |is_there: bool| is_there.then(|| b"\xff\xd8/++\xff\xd9".as_slice().into());
    sighting.face = jpeg(pictures[0]);
    sighting.scene = jpeg(pictures[1]);
    sighting.registered = jpeg(pictures[2]);
    Ok(sighting)
}

fn question(input: &mut Unstructured<'_>) -> Result<Ask> {
    let text = String::arbitrary(input)?;
    Ok(match input.int_in_range(0..=4)? {
        0 => Ask::Devices(Option::arbitrary(input)?),
        1 => Ask::Event(text),
        2 => Ask::Picture(RemotePicture::Recorded {
            id: text,
            time: input.arbitrary()?,
        }),
        3 => Ask::Picture(RemotePicture::Registered { id: text }),
        _ => {
            let (from, to) = (
                UnixMillis(input.arbitrary()?),
                UnixMillis(input.arbitrary()?),
            );
            let mut query = HistoryQuery::new(dialect(input)?, from, to);
            (query.page, query.per_page) = input.arbitrary()?;
            (query.score_min, query.score_max) = input.arbitrary()?;
            query.user_type = input.arbitrary()?;
            Ask::Events(query)
        }
    })
}

fn fault(input: &mut Unstructured<'_>) -> Result<Fault> {
    let time = Duration::from_millis(input.int_in_range(0..=3_000)?);
    Ok(match input.int_in_range(0..=14)? {
        0 => Fault::HalfOpen,
        1 => Fault::NoPong,
        2 => Fault::PingKills,
        3 => Fault::PingsEvery(time),
        4 => Fault::Truncated(input.arbitrary()?),
        5 => Fault::WrongTypes,
        6 => Fault::EscapedSlashes,
        7 => Fault::WrappedBase64,
        8 => Fault::DataPrefix,
        9 => Fault::ClockOff(input.arbitrary()?),
        10 => Fault::Duplicate(input.arbitrary()?),
        11 => Fault::Reorder(input.arbitrary()?),
        12 => Fault::Lose(input.arbitrary()?),
        13 => Fault::SlowHistory(time),
        _ => *input.choose(&[
            Fault::BrokenHistory,
            Fault::SwappedUnit,
            Fault::UnsortedPages,
        ])?,
    })
}

/// What came out, and what it says about the links.
#[derive(Default)]
struct Watch {
    outputs: Vec<Output>,
    silent: BTreeSet<LinkId>,
    links: BTreeMap<LinkId, u64>,
    answers: BTreeSet<ExchangeId>,
    sent: u64,
    dropped: u64,
}

impl Watch {
    fn drain(&mut self, device: &mut Device) {
        while let Some(output) = device.poll_output() {
            self.see(&output);
            self.outputs.push(output);
        }
    }

    fn see(&mut self, output: &Output) {
        match output {
            Output::Event(Event::Joined(link, _)) => {
                assert!(self.links.insert(*link, 0).is_none(), "joined twice");
                self.silent.insert(*link);
            }
            Output::Event(Event::Subscribed(link, _)) => {
                self.silent.remove(link);
            }
            Output::Event(Event::Left {
                link,
                sent,
                dropped,
            }) => {
                let messages = self.links.remove(link).expect("left without joining");
                assert!(
                    messages >= *sent && messages <= sent * 2,
                    "sent is miscounted"
                );
                self.sent += sent;
                self.dropped += dropped;
            }
            Output::Send(link, message, delivery) => {
                assert!(!self.silent.contains(link), "sent before the subscription");
                *self.links.get_mut(link).expect("sent to nobody") += 1;
                let FromBox::Face(event) = &**message else {
                    panic!("only events are pushed");
                };
                let json = event.json().clone();
                codec::deface(json, event.dialect(), &delivery.faults);
            }
            Output::Ping(link) => {
                assert!(self.links.contains_key(link) && !self.silent.contains(link));
            }
            Output::Answer(exchange, answer) => {
                assert!(self.answers.insert(*exchange), "answered twice");
                if let Answer::Page(page) = answer {
                    assert!(page.records.len() <= 8);
                }
            }
            _ => {}
        }
    }
}
