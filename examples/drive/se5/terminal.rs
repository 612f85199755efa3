//! Both ends on a terminal: words for people, lines of JSON for pipes.

use super::faults::Planned;
use super::line::push_line;
use super::pictures::{Album, Saved};
use super::{
    BoxCommand, BoxControl, BoxCounters, BoxHandle, BoxNews, BoxOptions, Emitted,
    SubscriberCommand, SubscriberCounters, SubscriberHandle, SubscriberNews, SubscriberOptions,
    spawn_box, spawn_subscriber,
};
use crate::cli::told_to_end;
use lenient_wire::ObjectWriter;
use se5_events::platform::{self, Span};
use se5_events::{Subscription, device};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

/// Runs a box until the user ends it, or with `exits` until everything is emitted. What it emits
/// goes to standard output, everything else to standard error.
///
/// # Errors
///
/// If a port cannot be had, or nobody reads any more.
pub async fn run_box(options: BoxOptions, plan: Vec<Planned>, exits: bool) -> io::Result<()> {
    let (devices, waits) = (options.devices.clone(), options.traffic.waits);
    let ended = told_to_end();
    let mut simulator = spawn_box(options).await?;
    eprintln!("listening {} {}", simulator.ws_url(), simulator.http_url());
    for device in devices {
        eprintln!("camera {} {}", device.id, device.name.unwrap_or_default());
    }
    eprintln!("ready");
    let told = tell_box(&mut simulator, ended, plan, waits, exits).await;
    eprintln!("{}", box_counters(&simulator.counters()));
    told
}

async fn tell_box(
    simulator: &mut BoxHandle,
    ended: impl Future<Output = ()>,
    mut plan: Vec<Planned>,
    waits: bool,
    exits: bool,
) -> io::Result<()> {
    let (mut lines, mut ended) = (Lines::default(), pin!(ended));
    let control = simulator.control();
    // What is wrong from the start is wrong before anything is sent.
    let at_once = |planned: &mut Planned| !waits || planned.after.is_zero();
    schedule(plan.extract_if(.., at_once).collect(), &control);
    let mut is_ending = false;
    loop {
        let news = tokio::select! {
            news = simulator.next() => news,
            () = &mut ended, if !is_ending => {
                is_ending = true;
                control.send(BoxCommand::Stop);
                continue;
            }
        };
        match news {
            None => return Ok(()),
            Some(BoxNews::Exhausted) if exits => control.send(BoxCommand::Stop),
            Some(BoxNews::Emitted(emitted)) => lines.print(|out| push_emitted(&emitted, out))?,
            Some(BoxNews::Machine(event)) => {
                if matches!(event, device::Event::Subscribed(..)) {
                    schedule(std::mem::take(&mut plan), &control);
                }
                eprintln!("{}", box_event(&event));
            }
            Some(BoxNews::Exhausted) => {}
        }
    }
}

/// Runs a subscriber until the user ends it or `count` events are printed. Without devices in
/// `wanted`, it is to all that the box has. Pictures are saved in the folder, if one is given.
///
/// # Errors
///
/// If the mark file or the folder cannot be used, or nobody reads any more.
pub async fn run_subscriber(
    options: SubscriberOptions,
    wanted: Subscription,
    pictures: Option<PathBuf>,
    count: Option<u64>,
) -> io::Result<()> {
    let ended = told_to_end();
    let http = options.http.clone();
    let mut album = pictures
        .map(|folder| Album::new(folder, http))
        .transpose()?;
    let mut subscriber = spawn_subscriber(options)?;
    subscriber.control().send(if wanted.devices.is_empty() {
        SubscriberCommand::SubscribeAll {
            faces: wanted.faces,
            registered: wanted.registered,
        }
    } else {
        SubscriberCommand::Subscribe(wanted)
    });
    let told = tell_subscriber(
        &mut subscriber,
        ended,
        &mut album,
        count.unwrap_or(u64::MAX),
    )
    .await;
    eprintln!("{}", subscriber_counters(&subscriber.counters()));
    told
}

async fn tell_subscriber(
    subscriber: &mut SubscriberHandle,
    ended: impl Future<Output = ()>,
    album: &mut Option<Album>,
    mut count: u64,
) -> io::Result<()> {
    use platform::Event::Face;
    let (mut lines, mut ended) = (Lines::default(), pin!(ended));
    let mut is_ending = false;
    while count > 0 {
        let news = tokio::select! {
            news = subscriber.next() => news,
            () = &mut ended, if !is_ending => {
                is_ending = true;
                subscriber.control().send(SubscriberCommand::Stop);
                continue;
            }
        };
        match news {
            None => return Ok(()),
            Some(SubscriberNews::Machine(Face {
                event,
                freshness,
                source,
            })) => {
                let saved = match album {
                    Some(album) => album.save(&event).await,
                    None => Saved::default(),
                };
                for why in &saved.failed {
                    eprintln!("picture: {why}");
                }
                lines.print(|out| push_line(&event, freshness, source, &saved, out))?;
                count -= 1;
            }
            Some(SubscriberNews::Machine(event)) => eprintln!("{}", platform_event(&event)),
            Some(SubscriberNews::Refused(why)) => return Err(io::Error::other(why)),
            Some(SubscriberNews::MarkFailed(why)) => eprintln!("mark: {why}"),
            Some(SubscriberNews::Wire(_)) => {}
        }
    }
    Ok(())
}

/// Standard output, a line at a time.
#[derive(Debug, Default)]
struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Prints one line, which `fill` appends.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::BrokenPipe`] once nobody reads any more.
    fn print(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.buffer.clear();
        fill(&mut self.buffer);
        let mut out = io::stdout().lock();
        out.write_all(&self.buffer)?;
        out.flush()
    }
}

/// Lets planned faults strike, counted from now.
fn schedule(plan: Vec<Planned>, control: &BoxControl) {
    let strike = |planned: &Planned, control: &BoxControl| {
        eprintln!("fault: {:?}", planned.command);
        control.send(planned.command.clone());
    };
    for planned in plan {
        let control = control.clone();
        if planned.after.is_zero() && planned.every.is_none() {
            strike(&planned, &control);
            continue;
        }
        tokio::spawn(async move {
            tokio::time::sleep(planned.after).await;
            loop {
                strike(&planned, &control);
                match planned.every {
                    Some(every) => tokio::time::sleep(every).await,
                    None => return,
                }
            }
        });
    }
}

/// Appends what was emitted as a line of JSON.
fn push_emitted(emitted: &Emitted, out: &mut Vec<u8>) {
    let sighting = &emitted.sighting;
    let mut line = ObjectWriter::new(out);
    line.text("event_id", &sighting.event_id)
        .text("device_id", &sighting.device_id)
        .text("identity_id", &sighting.identity_id)
        .text("identity_name", &sighting.identity_name)
        .display("timestamp_ms", sighting.at.0);
    line.end();
    out.push(b'\n');
}

/// What the box tells, in words.
pub fn box_event(event: &device::Event) -> String {
    use device::Event as E;
    match event {
        E::Joined(link, peer) => format!("link {}: {} connected", link.0, peer.0),
        E::Refused(peer) => format!("{} refused: too many subscribers", peer.0),
        E::Subscribed(link, devices) => format!("link {}: subscribed to {devices}", link.0),
        E::Garbled(link, error) => format!("link {}: no subscription: {}", link.0, error.kind),
        E::Left {
            link,
            sent,
            dropped,
        } => format!("link {}: left, {sent} sent, {dropped} dropped", link.0),
        E::Dropped(link) => format!("link {}: too slow, oldest event dropped", link.0),
        E::Forgotten(at) => format!("history full: event of {} forgotten", at.0),
        E::Rebooted => "rebooted".to_owned(),
        E::Closed(_) => "closed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What the subscriber tells besides faces, in words.
pub fn platform_event(event: &platform::Event) -> String {
    use platform::Event as E;
    match event {
        E::State {
            link,
            assurance,
            cause,
        } => {
            let link = format!("{link:?}").to_lowercase();
            let why = cause.map_or(String::new(), |cause| format!(", was lost: {cause:?}"));
            format!("state: {link}, proof: {assurance:?}{why}")
        }
        E::Face { event, .. } => format!("face: {} bytes", event.json().len()),
        E::Malformed(error) => format!("malformed: {error}"),
        E::Gap(span) => format!("gap: {}", words(*span)),
        E::GapFilled {
            span,
            recovered,
            known,
        } => format!(
            "gap filled: {}, {recovered} recovered, {known} known",
            words(*span)
        ),
        E::GapOpen { span, why } => format!("gap open: {}: {why:?}", words(*span)),
        E::Devices(list) => {
            let ids: Vec<&str> = list.ids().collect();
            format!("devices: {}", ids.join(" "))
        }
        E::DevicesFailed(error) => format!("devices: {error}; asking again"),
        E::DialectFound(dialect) => format!("dialect: {dialect:?}"),
        E::ClockSkew { millis } => format!(
            "clock: the box is {millis} ms ahead of this machine; --clock-offset {} corrects it",
            -millis
        ),
        E::PingIgnored => "ping: the box does not answer pings, which proves nothing".to_owned(),
        E::PingHarmful => "ping: the box hangs up on pings; none are sent any more".to_owned(),
        E::Closed(_) => "closed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The subscriber's figures on one line.
pub fn subscriber_counters(counters: &SubscriberCounters) -> String {
    let c = &counters.machine;
    format!(
        "counters: received={} fetched={} live={} backfill={} duplicates={} malformed={} \
         connections={} losses={} gaps={} filled={} open={}",
        c.received,
        c.fetched,
        c.delivered_live,
        c.delivered_backfill,
        c.duplicates_live + c.duplicates_backfill,
        c.malformed,
        c.connections,
        c.losses,
        c.gaps,
        c.gaps_filled,
        c.gaps_open,
    )
}

/// The box's figures on one line.
pub fn box_counters(counters: &BoxCounters) -> String {
    let c = &counters.machine;
    format!(
        "counters: emitted={} sent={} dropped={} joined={} asked={} failed={} news_lost={}",
        c.emitted, c.sent, c.dropped, c.joined, c.asked, c.failed, counters.news_lost
    )
}

fn words(span: Span) -> String {
    let length = u64::try_from(span.to.since(span.from)).unwrap_or_default();
    let length = Duration::from_millis(length);
    format!("{}..{} ({length:.1?})", span.from.0, span.to.0)
}
