//! What a client tells, as lines of JSON for pipes.

use super::{CommandError, DeviceCounters, DeviceNews};
use crate::clock::unix_now;
use lenient_wire::{ObjectWriter, push_text};
use zzw_push_proto::device::{Answer, Cause, Event, LinkEnd, Reason};
use zzw_push_proto::wire::{Code, Delivery, Door, Json, Texts};

/// Which stream a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: what the server has for us, and answers.
    Out,
    /// Standard error: how things stand.
    Err,
}

/// Appends a line for news, line feed included, and says where it belongs.
///
/// ```text
/// out  {"event":"message","seq":1,"alias":"m_2","mid":"41","msg":"有人按门铃","topic":"大厅"}
/// out  {"event":"gap","lost":3}
/// out  {"event":"door","room":"1203","user":"app_7","server":"127.0.0.1:9800","at":1660625866000}
/// err  {"event":"connected","server":"127.0.0.1:9800"}
/// err  {"event":"disconnected","why":"the server has closed the link"}
/// ```
///
/// `msg` is the JSON that was published, byte for byte but for line breaks between its tokens; ids
/// are texts. `server` is the address over which a frame for a room came, `at` when, in milliseconds
/// since 1970; who `user` is, nothing proves.
pub fn push_news(news: &DeviceNews, alias: &str, server: &str, out: &mut Vec<u8>) -> Stream {
    let mut line = ObjectWriter::new(out);
    let stream = match news {
        DeviceNews::Delivered { seq, delivery } => {
            push_delivery(*seq, alias, delivery, &mut line);
            Stream::Out
        }
        DeviceNews::Machine(event) => push_event(event, server, &mut line),
        DeviceNews::Connected(address) => {
            line.text("event", "connected").text("server", address);
            Stream::Err
        }
        DeviceNews::Disconnected(why) => {
            line.text("event", "disconnected").text("why", why);
            Stream::Err
        }
        DeviceNews::StoreFailed(why) => {
            line.text("event", "store_failed").text("why", why);
            Stream::Err
        }
    };
    line.end();
    out.push(b'\n');
    stream
}

/// Appends a line for what a command brought.
///
/// ```text
/// {"event":"published","num":1}
/// {"event":"topics","topics":["大厅"]}
/// {"event":"status","alias":"c_2","online":true,"topics":[]}
/// {"event":"server_info","one_to_one":0,"one_to_many":1,"many_to_many":0,"channels":12}
/// ```
pub fn push_answer(num: Option<u64>, answer: &Answer, out: &mut Vec<u8>) {
    let mut line = ObjectWriter::new(out);
    match answer {
        Answer::Registered => drop(line.text("event", "registered")),
        Answer::Topics(topics) => {
            line.text("event", "topics");
            push_texts("topics", topics, &mut line);
        }
        Answer::Published => drop(line.text("event", "published")),
        Answer::Status(status) => {
            line.text("event", "status");
            if let Some(alias) = &status.alias {
                line.text("alias", alias);
            }
            line.display("online", status.is_online);
            push_texts("topics", &status.topics, &mut line);
        }
        Answer::ServerInfo(counts) => {
            line.text("event", "server_info")
                .display("one_to_one", counts.one_to_one)
                .display("one_to_many", counts.one_to_many)
                .display("many_to_many", counts.many_to_many)
                .display("channels", counts.channels);
        }
        _ => drop(line.text("event", "answered")),
    }
    if let Some(num) = num {
        line.display("num", num);
    }
    line.end();
    out.push(b'\n');
}

/// Appends a line for the end of a pull: nothing waits any more.
pub fn push_pulled(messages: u64, out: &mut Vec<u8>) {
    let mut line = ObjectWriter::new(out);
    line.text("event", "pulled").display("messages", messages);
    line.end();
    out.push(b'\n');
}

/// Appends a line for a message that came without an id, which nothing can acknowledge.
pub fn push_bare(alias: &str, msg: &Json, out: &mut Vec<u8>) {
    let mut line = ObjectWriter::new(out);
    line.text("event", "message").text("alias", alias);
    push_json("msg", msg, &mut line);
    line.end();
    out.push(b'\n');
}

/// Appends a line for a request to open the door, which was sent.
pub fn push_sent(door: &Door, out: &mut Vec<u8>) {
    let mut line = ObjectWriter::new(out);
    line.text("event", "open_door")
        .text("room", &door.room)
        .text("user", &door.user);
    line.end();
    out.push(b'\n');
}

/// Appends a line for a command that failed; `sent` tells whether it may have been carried out all
/// the same.
///
/// ```text
/// {"event":"failed","num":2,"sent":true,"code":"busy","error":"the server refused: busy, try again later (busy)"}
/// ```
pub fn push_failure(num: Option<u64>, error: &CommandError, out: &mut Vec<u8>) {
    let mut line = ObjectWriter::new(out);
    line.text("event", "failed");
    if let Some(num) = num {
        line.display("num", num);
    }
    let was_sent = match error {
        CommandError::Failed { .. } => true,
        CommandError::TimedOut { was_sent } => *was_sent,
        _ => false,
    };
    line.display("sent", was_sent);
    if let CommandError::Failed {
        code: Some(code), ..
    } = error
    {
        line.text("code", code.as_str());
    }
    line.text("error", &error.to_string());
    line.end();
    out.push(b'\n');
}

/// Appends a line with figures.
pub fn push_counters(counters: &DeviceCounters, out: &mut Vec<u8>) {
    let machine = &counters.machine;
    let mut line = ObjectWriter::new(out);
    line.text("event", "counters")
        .display("bound", machine.bound)
        .display("delivered", machine.delivered)
        .display("repeated", machine.repeated)
        .display("deferred", machine.deferred)
        .display("acked", machine.acked)
        .display("garbled", machine.garbled)
        .display("unexpected", machine.unexpected)
        .display("doors_dropped", machine.doors_dropped);
    line.end();
    out.push(b'\n');
}

fn push_delivery(seq: u64, alias: &str, delivery: &Delivery, line: &mut ObjectWriter<'_>) {
    let alias = delivery.alias.as_deref().unwrap_or(alias);
    line.text("event", "message")
        .display("seq", seq)
        .text("alias", alias)
        .text("mid", delivery.mid.as_str());
    push_json("msg", &delivery.msg, line);
    if let Some(topic) = &delivery.topic {
        line.text("topic", topic);
    }
}

fn push_event(event: &Event, server: &str, line: &mut ObjectWriter<'_>) -> Stream {
    let stream = match event {
        Event::Gap(_) | Event::DoorAsked(_) | Event::PhonePresent(_) | Event::DoorPresent(_) => {
            Stream::Out
        }
        _ => Stream::Err,
    };
    match event {
        Event::Bound => drop(line.text("event", "bound")),
        Event::Subscribed => drop(line.text("event", "subscribed")),
        Event::NotSubscribed { code, text } => {
            line.text("event", "not_subscribed");
            push_error(code.as_ref(), text, line);
        }
        Event::Gap(lost) => drop(line.text("event", "gap").display("lost", lost)),
        Event::NotStored(mid) => drop(line.text("event", "not_stored").text("mid", mid.as_str())),
        Event::DoorAsked(door) => push_door("door", door, server, line),
        Event::PhonePresent(door) => push_door("phone_present", door, server, line),
        Event::DoorPresent(door) => push_door("door_present", door, server, line),
        Event::LinkError(failure) => {
            line.text("event", "link_error");
            push_error(failure.code.as_ref(), &failure.error, line);
        }
        Event::Unexpected(message) => {
            line.text("event", "unexpected");
            if let Some(t) = message.t() {
                line.display("t", t);
            }
        }
        Event::Garbled(error) => {
            let why = error.kind.to_string();
            line.text("event", "garbled").text("why", &why);
        }
        Event::Down(end) => drop(line.text("event", "down").text("why", end_word(*end))),
        Event::Closed(reason) => {
            let why = match reason {
                Reason::Replaced => "replaced",
                _ => "local",
            };
            line.text("event", "closed").text("why", why);
        }
        // Deliveries and outcomes come by other ways; what is new is at least seen.
        other => {
            let name = format!("{other:?}");
            let word = name.split(|char: char| !char.is_alphanumeric()).next();
            line.text("event", "other")
                .text("what", word.unwrap_or_default());
        }
    }
    stream
}

fn push_door(event: &str, door: &Door, server: &str, line: &mut ObjectWriter<'_>) {
    line.text("event", event)
        .text("room", &door.room)
        .text("user", &door.user)
        .text("server", server)
        .display("at", unix_now().0);
}

fn push_error(code: Option<&Code>, text: &str, line: &mut ObjectWriter<'_>) {
    if let Some(code) = code {
        line.text("code", code.as_str());
    }
    line.text("error", text);
}

fn push_texts(name: &str, texts: &Texts, line: &mut ObjectWriter<'_>) {
    let list = line.name(name);
    list.push(b'[');
    for (nth, text) in texts.iter().enumerate() {
        if nth > 0 {
            list.push(b',');
        }
        push_text(list, &text);
    }
    list.push(b']');
}

/// A line is one line: a body may have been written over several.
fn push_json(name: &str, json: &Json, line: &mut ObjectWriter<'_>) {
    let is_kept = |byte: &u8| !matches!(byte, b'\n' | b'\r');
    let kept = json.as_bytes().iter().copied().filter(is_kept);
    line.name(name).extend(kept);
}

fn end_word(end: LinkEnd) -> &'static str {
    match end {
        LinkEnd::Disconnected(cause) => match cause {
            Cause::Unreachable => "unreachable",
            Cause::Closed => "closed",
            Cause::Broken => "broken",
            Cause::Garbled => "garbled",
            Cause::Local => "local",
            _ => "disconnected",
        },
        LinkEnd::Silent => "silent",
        LinkEnd::Unbound => "unbound",
        LinkEnd::Rejected => "rejected",
        LinkEnd::Replaced => "replaced",
        LinkEnd::Garbled => "garbled",
        _ => "ended",
    }
}
