//! One event for a thousand subscribers, and ten thousand records fetched after an outage.
#![allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]

mod samples;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use benches::{Group, is_measured};
use bytes::Bytes;
use samples::{owned, with_pictures};
use se5_events::device::{self, Device, LinkId};
use se5_events::platform::{self, Cause, Platform};
use se5_events::{
    Answer, Ask, Dialect, ExchangeId, FromBox, Limits, LiveForm, Sighting, Subscription, ToBox,
    UnixMillis, codec,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    fan_out(
        "se5: one event for 1,000 subscribers who want faces",
        |_| (true, false),
    );
    fan_out(
        "se5: one event for 1,000 subscribers of all four kinds",
        |nth| (nth % 2 == 0, nth % 4 < 2),
    );
    backfill();
}

fn subscribers() -> u64 {
    if is_measured() { 1_000 } else { 20 }
}

/// `wants` says of a subscriber whether it asks for faces and for registered pictures.
fn fan_out(name: &str, wants: impl Fn(u64) -> (bool, bool)) {
    let event = with_pictures(20 << 10, 120 << 10);
    let now = Instant::now();
    let mut device = Device::new({
        let mut config = device::Config::new(7);
        config.max_links = 1_000;
        config.max_outputs = 100_000;
        config
    });
    for nth in 0..subscribers() {
        let (faces, registered) = wants(nth);
        let wanted = Subscription::new([&*event.device_id])
            .with_faces(faces)
            .with_registered(registered);
        let subscribe = ToBox::Subscribe(Dialect::V1, wanted);
        let peer = device::Peer(format!("192.0.2.7:{}", 40_000 + nth));
        device.handle_input(now, device::Input::Connected(LinkId(nth), peer));
        device.handle_input(now, device::Input::Received(LinkId(nth), subscribe));
    }
    while device.poll_output().is_some() {}

    let forms: Vec<LiveForm> = (0..subscribers()).map(|nth| form(wants(nth))).collect();
    let (encoded, bytes) = push(&mut device, now, &event);
    println!(
        "{encoded} messages encoded for {} subscribers, {bytes} bytes in all\n",
        subscribers()
    );
    assert!(encoded <= 4, "one message for each set of pictures");

    let (face, scene) = (event.face.as_ref().unwrap(), event.scene.as_ref().unwrap());
    let prepared = owned(&event, STANDARD.encode(face), STANDARD.encode(scene));
    let without = owned(&event, String::new(), String::new());
    let mut frame = Vec::with_capacity(256 << 10);
    Group::new(name)
        .items(forms.len())
        .case("ours: emit, drain, bytes", || {
            push(&mut device, now, &event)
        })
        .case("encode_live per subscriber", || {
            for form in &forms {
                frame.clear();
                event.encode_live(*form, &mut frame);
            }
            frame.len()
        })
        // Their base64 text is made once, outside the timing.
        .case("serde_json to_vec per subscriber", || {
            let one = |form: &LiveForm| if form.face { &prepared } else { &without };
            let sizes = forms
                .iter()
                .map(|form| serde_json::to_vec(one(form)).unwrap().len());
            sizes.sum::<usize>()
        })
        .against("ours: emit, drain, bytes", "encode_live per subscriber")
        .against("ours: emit, drain, bytes", "serde_json to_vec per subscriber")
        .run();
}

fn form((faces, registered): (bool, bool)) -> LiveForm {
    let mut form = LiveForm::new(Dialect::V1);
    (form.face, form.scene, form.registered) = (faces, faces, registered);
    form
}

/// Shows the event to every subscriber as a driver does, bytes for each link in hand; returns how
/// many messages were put into bytes, and all bytes to be sent.
fn push(device: &mut Device, now: Instant, event: &Sighting) -> (usize, usize) {
    device.emit(now, event.clone()).unwrap();
    let mut encoded: Vec<(Arc<FromBox>, Bytes)> = Vec::with_capacity(4);
    let mut bytes = 0;
    while let Some(output) = device.poll_output() {
        let device::Output::Send(_, message, _) = output else {
            continue;
        };
        let known = encoded.iter().find(|(one, _)| Arc::ptr_eq(one, &message));
        let frame = if let Some((_, frame)) = known {
            frame.clone()
        } else {
            let FromBox::Face(face) = &*message else {
                continue;
            };
            let frame = face.json().clone();
            encoded.push((message, frame.clone()));
            frame
        };
        bytes += frame.len();
    }
    (encoded.len(), bytes)
}

fn records() -> u64 {
    if is_measured() { 10_000 } else { 500 }
}

const START: i64 = 1_607_062_600_000;
/// 5 faces a second.
const APART: i64 = 200;

/// A subscriber that was away for 2,000 s fetches everything it missed.
fn backfill() {
    let pages = recorded_pages();
    let bytes: usize = pages.iter().map(|(_, body)| body.len()).sum();
    println!("{} pages of at most 100 records\n", pages.len());
    let limits = Limits::default();
    Group::new("se5: 10,000 records fetched after an outage")
        .bytes(bytes)
        .items(usize::try_from(records()).unwrap())
        .case("ours: decode, repair, deliver", || {
            let mut rest = pages.iter();
            let filled = outage(|ask| {
                let (asked, body) = rest.next().expect("the same questions each time");
                debug_assert_eq!(asked, ask);
                codec::decode_answer(ask, 200, body.clone(), &limits)
            });
            assert_eq!(filled, records());
        })
        .case("ours: decode only", || {
            for (ask, body) in &pages {
                std::hint::black_box(codec::decode_answer(ask, 200, body.clone(), &limits));
            }
        })
        .case("serde_json Value: decode only", || {
            for (_, body) in &pages {
                std::hint::black_box(serde_json::from_slice::<Value>(body).unwrap());
            }
        })
        .against(
            "ours: decode, repair, deliver",
            "serde_json Value: decode only",
        )
        .against("ours: decode only", "serde_json Value: decode only")
        .run();
}

/// What a box answers to the questions of [`outage`], in their order.
fn recorded_pages() -> Vec<(Ask, Bytes)> {
    let now = Instant::now();
    let mut device = Device::new({
        let mut config = device::Config::new(7);
        config.max_history = 20_000;
        config
    });
    for nth in 0..records() {
        let at = START + 60_000 + i64::try_from(nth).unwrap() * APART;
        let mut seen = with_pictures(3, 3);
        (seen.at, seen.event_id) = (UnixMillis(at), format!("{}.{nth:06}", at / 1_000));
        device.emit(now, seen).unwrap();
    }
    while device.poll_output().is_some() {}
    let (mut pages, limits) = (Vec::new(), Limits::default());
    let filled = outage(|ask| {
        let asked = device::Input::Asked(ExchangeId(0), Dialect::V1, ask.clone());
        device.handle_input(now, asked);
        let Some(device::Output::Answer(_, answer)) = device.poll_output() else {
            panic!("every question is answered at once");
        };
        let body = codec::encode_answer(&answer, ask, Dialect::V1).body;
        pages.push((ask.clone(), body.clone()));
        codec::decode_answer(ask, 200, body, &limits)
    });
    assert_eq!(filled, records());
    pages
}

/// Subscribes, hears ten events, is away for 2,120 s, and asks for what it missed; returns how many
/// recorded events were delivered. `answer` stands for the box.
fn outage(mut answer: impl FnMut(&Ask) -> Answer) -> u64 {
    let origin = Instant::now();
    let mut now = origin;
    let mut platform = Platform::new({
        let mut config = platform::Config::new(7);
        config.dialect = Some(Dialect::V1);
        config.per_page = 100;
        config
    });
    let wall =
        |now: Instant| UnixMillis(START + i64::try_from((now - origin).as_millis()).unwrap());
    let seen = with_pictures(3, 3);
    platform
        .subscribe(now, Subscription::new([&*seen.device_id]))
        .unwrap();
    platform.handle_input(now, platform::Input::Connected(wall(now)));
    // As many as it takes to trust the clock of the box.
    for nth in 0..10 {
        now += Duration::from_secs(1);
        let mut event = seen.clone();
        (event.at, event.event_id) = (wall(now), format!("live.{nth}"));
        let event = FromBox::Face(event.to_live(LiveForm::new(Dialect::V1)));
        platform.handle_input(now, platform::Input::Received(wall(now), event));
    }
    let lost = platform::Input::Disconnected(wall(now), Cause::Eof);
    platform.handle_input(now, lost);
    now += Duration::from_secs(2_120);
    platform.handle_timeout(now);
    platform.handle_input(now, platform::Input::Connected(wall(now)));
    platform.handle_input(now, platform::Input::Heard(wall(now)));
    let mut delivered = 0;
    loop {
        match platform.poll_output() {
            Some(platform::Output::Send(ToBox::Ask(id, _, ask))) => {
                let answer = FromBox::Answer(id, answer(&ask));
                platform.handle_input(now, platform::Input::Received(wall(now), answer));
            }
            Some(platform::Output::Event(platform::Event::Face { event, source, .. })) => {
                if source == platform::Source::Backfill {
                    delivered += 1;
                }
                std::hint::black_box(event);
            }
            Some(platform::Output::Event(platform::Event::GapFilled { .. })) => return delivered,
            Some(_) => {}
            None => {
                now = platform.poll_timeout().expect("a gap is being repaired");
                platform.handle_timeout(now);
            }
        }
    }
}
