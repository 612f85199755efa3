//! The program around a terminal: a line per change, a table at the end.

use super::{
    Tally, TerminalCommand, TerminalHandle, TerminalNews, TerminalOptions, spawn_terminal,
};
use face_record_push::Subscription;
use face_record_push::device::{Cause, Event, Failure, Loss, LossReason, State};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::pin::pin;

/// Runs a terminal until `ended`, or until as many records as wanted have been recorded and
/// none is queued. Lines and table go to standard output.
///
/// # Errors
///
/// If the store or the port cannot be had; or if all records are recorded, but some were lost.
pub async fn run(options: TerminalOptions, ended: impl Future<Output = ()>) -> io::Result<()> {
    let folder = options.folder.display().to_string();
    let serial = options.identity.serial.clone();
    let (is_tls, has_account) = (options.api_tls.is_some(), options.api_account.is_some());
    let scheme = if is_tls { "https" } else { "http" };
    let mut terminal = spawn_terminal(options).await?;
    if let Some(api) = terminal.api() {
        say(format_args!(
            "listening {scheme}://{api}/v1/event/subscribe"
        ));
        if let Some(danger) = danger(api, is_tls, has_account) {
            eprintln!("warning: {danger}");
        }
    }
    let tally = terminal.tally();
    say(format_args!(
        "terminal {serial}, records in {folder}: {} recorded so far, {} queued",
        tally.recorded, tally.queued
    ));
    let is_finished = tell(&mut terminal, ended).await;
    let tally = terminal.tally();
    say(format_args!("{}", table(&tally)));
    if is_finished && tally.dropped > 0 {
        let (dropped, recorded) = (tally.dropped, tally.recorded);
        let text = format!("{dropped} of {recorded} records were lost; the lines above say why");
        return Err(io::Error::other(text));
    }
    Ok(())
}

/// Tells what happens until the terminal has ended; true if all records were recorded.
async fn tell(terminal: &mut TerminalHandle, ended: impl Future<Output = ()>) -> bool {
    let mut ended = pin!(ended);
    let (mut is_ending, mut is_finished) = (false, false);
    let mut teller = Teller {
        was: None,
        is_behind: terminal.tally().queued > 0,
        is_down: false,
    };
    teller.state(terminal.tally());
    loop {
        let news = tokio::select! {
            news = terminal.next() => news,
            () = &mut ended, if !is_ending => {
                is_ending = true;
                terminal.control().send(TerminalCommand::Stop);
                continue;
            }
        };
        let Some(news) = news else {
            return is_finished;
        };
        let tally = terminal.tally();
        match news {
            TerminalNews::Machine(event) => teller.event(&event, tally),
            TerminalNews::StoreClosed(why) => say(format_args!("store: {why}")),
            TerminalNews::Finished => {
                is_finished = true;
                terminal.control().send(TerminalCommand::Stop);
            }
            TerminalNews::Recorded(_) => {}
        }
        teller.state(tally);
    }
}

/// Tells a thing once, when it changes.
struct Teller {
    was: Option<&'static str>,
    is_behind: bool, // records wait, and it was told
    is_down: bool,
}

impl Teller {
    /// Which of the states that people care about it is. To read, post and wait for the next record
    /// is one: that changes with every record.
    fn state(&mut self, tally: Tally) {
        let state = match tally.state {
            State::Off => "off, records are kept",
            State::Paused => "paused, the store is being opened anew",
            State::Closing | State::Closed => "closing",
            _ if self.is_down => "waiting for the destination",
            _ => "pushing",
        };
        if self.was.replace(state) != Some(state) {
            say(format_args!("state: {state} ({} queued)", tally.queued));
        }
    }

    fn event(&mut self, event: &Event, tally: Tally) {
        let queued = tally.queued;
        match event {
            Event::Down(failure) => {
                (self.is_down, self.is_behind) = (true, true);
                say(format_args!("down: {}", why(failure)));
            }
            Event::Up => {
                self.is_down = false;
                say(format_args!("up: {queued} queued"));
            }
            Event::CaughtUp if self.is_behind => {
                self.is_behind = false;
                say(format_args!(
                    "caught up: {} acknowledged",
                    tally.acknowledged
                ));
            }
            Event::Lost(loss) => say(format_args!("{}", lost(loss))),
            Event::Stripped { from, to, count } => say(format_args!(
                "stripped: {count} pictures of {} to {}",
                from.0, to.0
            )),
            Event::Buried(seq) => say(format_args!(
                "buried: {}, which was refused too often",
                seq.0
            )),
            Event::Configured(subscription) => {
                self.is_down = false;
                say(format_args!("configured: {}", words(subscription)));
            }
            Event::NotConfigured(_) => say(format_args!(
                "not configured: the store could not keep it, the old configuration stays"
            )),
            Event::Unsettled { from, to, count } => say(format_args!(
                "unsettled: {count} records of {} to {}; the next start shows which are kept",
                from.0, to.0
            )),
            _ => {}
        }
    }
}

/// What others on the network can do with the API.
fn danger(api: SocketAddr, is_tls: bool, has_account: bool) -> Option<&'static str> {
    if api.ip().is_loopback() {
        None
    } else if !has_account {
        Some(
            "whoever reaches the API can have the records pushed anywhere: pass --api-account, or \
             let it listen on 127.0.0.1",
        )
    } else if !is_tls {
        Some("password and tokens cross the network in the clear: pass --api-cert and --api-key")
    } else {
        None
    }
}

fn table(tally: &Tally) -> String {
    format!(
        "recorded     {:>10}\nacknowledged {:>10}\nqueued       {:>10}\ndropped      {:>10}",
        tally.recorded, tally.acknowledged, tally.queued, tally.dropped
    )
}

fn words(subscription: &Subscription) -> String {
    match &subscription.dest {
        None => "no destination".to_owned(),
        Some(dest) if subscription.is_enabled => format!("pushing to {dest}"),
        Some(dest) => format!("switched off, destination {dest}"),
    }
}

fn lost(loss: &Loss) -> String {
    let why = match loss.reason {
        LossReason::Overflow => "the queue was full",
        LossReason::StoreFull => "the disk was full",
        _ => "they could not be read back",
    };
    let Loss {
        from,
        to,
        count,
        tried,
        ..
    } = loss;
    let tried = match tried {
        0 => String::new(),
        tried => format!(", of which {tried} may have arrived"),
    };
    format!(
        "lost: {count} records of {} to {}{tried}: {why}",
        from.0, to.0
    )
}

fn why(failure: &Failure) -> String {
    match failure {
        Failure::Refused(status, Some(code)) => {
            format!("the platform refuses: http status {status}, code {code}")
        }
        Failure::Refused(status, None) => format!("the platform refuses: http status {status}"),
        Failure::Garbled(error) => error.to_string(),
        Failure::Disconnected(Cause::Unreachable) => {
            "no connection; is the platform running, and the address right?".to_owned()
        }
        Failure::Disconnected(Cause::TimedOut) => "no answer in time".to_owned(),
        Failure::Disconnected(Cause::Tls) => {
            "the certificate is not trusted, or there is no TLS; pass --ca".to_owned()
        }
        Failure::Disconnected(Cause::Forbidden) => {
            "the name leads to an address of this machine or network; pass --allow-special if that \
             is meant"
                .to_owned()
        }
        _ => "the connection broke before the answer was whole".to_owned(),
    }
}

/// A line for people; nobody reading any more is no reason to stop recording.
fn say(line: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
