//! What both ends say, in words for people, and lines of JSON for pipes.

use super::faults::Planned;
use super::{BoxControl, BoxCounters, Emitted, SubscriberCounters};
use lenient_wire::ObjectWriter;
use se5_events::device;
use se5_events::platform::{self, Span};
use std::io::{self, Write as _};
use std::time::Duration;

/// Standard output, a line at a time.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Prints one line, which `fill` appends.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::BrokenPipe`] once nobody reads any more.
    pub fn print(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.buffer.clear();
        fill(&mut self.buffer);
        let mut out = io::stdout().lock();
        out.write_all(&self.buffer)?;
        out.flush()
    }
}

/// Waits until the user or the system wants the program to end.
pub async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Lets planned faults strike, counted from now.
pub fn schedule(plan: Vec<Planned>, control: &BoxControl) {
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
pub fn push_emitted(emitted: &Emitted, out: &mut Vec<u8>) {
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
