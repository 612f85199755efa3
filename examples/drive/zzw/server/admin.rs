//! The port for those who run the server: `/metrics` and `/healthz`, to this machine only (G-6).

use super::core::Snapshot;
use super::shards::Shards;
use crate::http::{self, Body, Limits, Request, Response, Server, StatusCode};
use hyper::Method;
use hyper::body::Incoming;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Answers until the server is stopped or dropped.
pub(super) fn serve(listener: TcpListener, shards: Arc<Shards>) -> io::Result<Server> {
    http::serve(listener, Limits::DEFAULT, move |request, peer| {
        let answer = answer(&shards, &request, peer.ip());
        async move { answer }
    })
}

fn answer(shards: &Shards, request: &Request<Incoming>, from: IpAddr) -> Response<Body> {
    if !from.to_canonical().is_loopback() {
        let line = "this port answers to its own machine only";
        return http::text(StatusCode::FORBIDDEN, line);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return http::text(StatusCode::METHOD_NOT_ALLOWED, "use GET");
    }
    match request.uri().path() {
        "/metrics" => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            http::answer(StatusCode::OK, kind, metrics(&shards.snapshot()))
        }
        "/healthz" => health(shards),
        _ => http::text(StatusCode::NOT_FOUND, "there are /metrics and /healthz"),
    }
}

/// 503 while no new links are taken, or nothing can be kept.
fn health(shards: &Shards) -> Response<Body> {
    let store = shards.snapshot().store;
    if shards.first().is_draining() {
        http::text(StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if let Some(why) = store.broken {
        http::text(StatusCode::SERVICE_UNAVAILABLE, &format!("store: {why}"))
    } else {
        http::text(StatusCode::OK, "ok")
    }
}

/// Prometheus' text format.
fn metrics(now: &Snapshot) -> String {
    let mut text = String::new();
    for (name, help, value) in gauges(now) {
        write(&mut text, "gauge", name, help, value);
    }
    for (name, help, value) in counters(now) {
        write(&mut text, "counter", name, help, value);
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP zzw_ended_total Links that ended, by why");
    let _ = writeln!(text, "# TYPE zzw_ended_total counter");
    for (why, count) in now.broker.ended.iter() {
        let why = why.as_str();
        let _ = writeln!(text, "zzw_ended_total{{why=\"{why}\"}} {count}");
    }
    text
}

fn write(text: &mut String, kind: &str, name: &str, help: &str, value: u64) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP zzw_{name} {help}");
    let _ = writeln!(text, "# TYPE zzw_{name} {kind}\nzzw_{name} {value}");
}

/// A name, a sentence about it, and a figure.
type Figure = (&'static str, &'static str, u64);

fn gauges(now: &Snapshot) -> Vec<Figure> {
    let (broker, sizes, store) = (&now.broker, &now.sizes, &now.store);
    let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    vec![
        ("tcp_links", "Links over TCP", broker.tcp_links),
        (
            "socketio_links",
            "Links over Socket.IO",
            broker.socketio_links,
        ),
        ("online_aliases", "Aliases with a link", broker.online),
        (
            "held_bytes",
            "Bytes of bodies in the broker",
            size(broker.held_bytes),
        ),
        (
            "store_requests",
            "Requests the store has not answered",
            size(broker.store_requests),
        ),
        (
            "unacked_messages",
            "Messages on their way to links",
            size(broker.unacked),
        ),
        (
            "publishing",
            "Publications the store has not kept",
            size(broker.publishing),
        ),
        (
            "releases",
            "Aliases the store has to be told again to let go",
            size(broker.releases),
        ),
        (
            "questions",
            "Questions to the application that are open",
            size(broker.questions),
        ),
        (
            "starved_links",
            "Links that wait for memory",
            size(broker.starved),
        ),
        ("nodes", "Other nodes known", size(broker.nodes)),
        ("room_links", "Links in relay rooms", sizes.links),
        ("rooms_one_to_one", "Intercom calls", sizes.one_to_one),
        (
            "rooms_one_to_many",
            "Rooms of capture pictures",
            sizes.one_to_many,
        ),
        ("rooms_many_to_many", "Other rooms", sizes.many_to_many),
        ("store_messages", "Messages kept", store.messages),
        ("store_bytes", "Bytes of what is kept", store.bytes),
        (
            "store_file_bytes",
            "Bytes of the store's file",
            store.file_bytes,
        ),
        ("store_aliases", "Aliases known", store.aliases),
        (
            "store_waiting",
            "Requests that wait for the disk",
            store.waiting,
        ),
    ]
}

fn counters(now: &Snapshot) -> impl Iterator<Item = Figure> {
    let all = [
        of_broker(now),
        of_rooms(now),
        of_store(now),
        of_packets(now),
        of_lines(now),
    ];
    all.into_iter().flatten()
}

fn of_broker(now: &Snapshot) -> Vec<Figure> {
    let broker = &now.broker;
    vec![
        ("accepted_total", "Links taken", broker.accepted),
        ("refused_total", "Links not taken", broker.refused),
        ("bound_total", "Links that got an alias", broker.bound),
        (
            "received_total",
            "Messages received on links",
            broker.received,
        ),
        ("calls_total", "Calls over REST", broker.calls),
        ("published_total", "Publications taken", broker.published),
        (
            "unpublished_total",
            "Publications not kept for all they were for",
            broker.unpublished,
        ),
        (
            "direct_total",
            "Messages sent to who was online only",
            broker.direct,
        ),
        ("pulled_total", "Messages brought by pulls", broker.pulled),
        (
            "delivered_total",
            "Messages sent for the first time",
            broker.delivered,
        ),
        (
            "redelivered_total",
            "Messages sent again",
            broker.redelivered,
        ),
        ("acked_total", "Messages acknowledged", broker.acked),
        (
            "expired_total",
            "Messages whose time was over",
            broker.expired,
        ),
        (
            "evicted_total",
            "Messages that had to go for newer ones",
            broker.evicted,
        ),
        (
            "dropped_total",
            "Online-only messages without room",
            broker.dropped,
        ),
        (
            "late_total",
            "Commands for doors that had to wait too long",
            broker.late,
        ),
        ("garbled_total", "Frames that were none", broker.garbled),
        ("busy_total", "Requests answered with busy", broker.busy),
        (
            "denied_total",
            "Requests that were not allowed",
            broker.denied,
        ),
        (
            "store_failures_total",
            "Requests the store has failed",
            broker.store_failures,
        ),
        ("presence_total", "News of presence told", broker.presence),
        (
            "presence_lost_total",
            "News of presence lost",
            broker.presence_lost,
        ),
        (
            "tokens_accepted_total",
            "Tokens of clients that were valid",
            broker.tokens_accepted,
        ),
        (
            "tokens_rejected_total",
            "Tokens of clients that were not",
            broker.tokens_rejected,
        ),
        (
            "unreleased_total",
            "Aliases the store would not let go",
            broker.unreleased,
        ),
        ("slow_total", "Links that were too slow", broker.slow),
    ]
}

fn of_rooms(now: &Snapshot) -> Vec<Figure> {
    let rooms = &now.rooms;
    vec![
        (
            "room_frames_received_total",
            "Frames that came into rooms",
            rooms.received,
        ),
        (
            "room_frames_sent_total",
            "Frames sent on in rooms",
            rooms.sent,
        ),
        (
            "room_frames_missed_total",
            "Pictures skipped for slow viewers",
            rooms.missed,
        ),
        (
            "signals_total",
            "Door and phone signals sent on",
            rooms.signalled,
        ),
        (
            "signals_dropped_total",
            "Door and phone signals dropped",
            rooms.signals_dropped,
        ),
    ]
}

fn of_store(now: &Snapshot) -> Vec<Figure> {
    let store = &now.store;
    vec![
        (
            "store_ops_total",
            "Requests the store has carried out",
            store.ops,
        ),
        (
            "store_commits_total",
            "Transactions committed",
            store.commits,
        ),
        (
            "store_expired_total",
            "Kept messages whose time was over",
            store.expired,
        ),
    ]
}

fn of_packets(now: &Snapshot) -> Vec<Figure> {
    let events = &now.socketio;
    vec![
        (
            "socketio_binary_total",
            "Binary Socket.IO packets dropped",
            events.binary,
        ),
        (
            "socketio_attachments_total",
            "Attachments of them dropped",
            events.attachments,
        ),
        (
            "socketio_foreign_total",
            "Socket.IO packets of other namespaces",
            events.foreign,
        ),
        (
            "socketio_garbled_total",
            "Texts that were no Socket.IO packet",
            events.garbled,
        ),
        (
            "socketio_folded_total",
            "Packets encoded twice, put right",
            events.folded,
        ),
        (
            "socketio_not_folded_total",
            "Packets that may have been encoded twice",
            events.not_folded,
        ),
    ]
}

fn of_lines(now: &Snapshot) -> Vec<Figure> {
    let lost = &now.lost;
    vec![
        (
            "lines_cut_off_total",
            "Messages not given to links that do not read",
            lost.cut_off,
        ),
        (
            "lines_signals_surplus_total",
            "Door and phone signals beyond those that may wait for a link",
            lost.surplus_signals,
        ),
        (
            "lines_signals_late_total",
            "Door and phone signals whose time was over before they could be written",
            lost.late_signals,
        ),
    ]
}
