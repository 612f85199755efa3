//! The port for those who run the server: `/metrics` and `/healthz`, to this machine only (G-6).

use super::core::{Core, Snapshot};
use crate::http::{self, Body, Limits, Request, Response, Server, StatusCode};
use hyper::Method;
use hyper::body::Incoming;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Answers until the server is stopped or dropped.
pub(super) fn serve(listener: TcpListener, core: Arc<Core>) -> io::Result<Server> {
    http::serve(listener, Limits::DEFAULT, move |request, peer| {
        let answer = answer(&core, &request, peer.ip());
        async move { answer }
    })
}

fn answer(core: &Core, request: &Request<Incoming>, from: IpAddr) -> Response<Body> {
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
            http::answer(StatusCode::OK, kind, metrics(&core.snapshot()))
        }
        "/healthz" => health(core),
        _ => http::text(StatusCode::NOT_FOUND, "there are /metrics and /healthz"),
    }
}

/// 503 while no new links are taken, or nothing can be kept.
fn health(core: &Core) -> Response<Body> {
    let store = core.snapshot().store;
    if core.is_draining() {
        http::text(StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if let Some(why) = store.broken {
        http::text(StatusCode::SERVICE_UNAVAILABLE, &format!("store: {why}"))
    } else {
        http::text(StatusCode::OK, "ok")
    }
}

/// Prometheus' text format.
fn metrics(now: &Snapshot) -> String {
    let (broker, rooms, sizes) = (&now.broker, &now.rooms, &now.sizes);
    let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let mut text = String::new();
    let mut write = |kind: &str, name: &str, help: &str, value: u64| {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "# HELP zzw_{name} {help}\n# TYPE zzw_{name} {kind}\nzzw_{name} {value}\n"
        );
    };
    let mut gauge = |name, help, value| write("gauge", name, help, value);
    gauge("tcp_links", "Links over TCP", broker.tcp_links);
    gauge(
        "socketio_links",
        "Links over Socket.IO",
        broker.socketio_links,
    );
    gauge("online_aliases", "Aliases with a link", broker.online);
    gauge(
        "held_bytes",
        "Bytes of bodies in the broker",
        size(broker.held_bytes),
    );
    gauge(
        "store_requests",
        "Requests the store has not answered",
        size(broker.store_requests),
    );
    gauge("room_links", "Links in relay rooms", sizes.links);
    gauge("rooms_one_to_one", "Intercom calls", sizes.one_to_one);
    gauge(
        "rooms_one_to_many",
        "Rooms of capture pictures",
        sizes.one_to_many,
    );
    gauge("rooms_many_to_many", "Other rooms", sizes.many_to_many);
    let mut counter = |name, help, value| write("counter", name, help, value);
    counter("published_total", "Publications taken", broker.published);
    counter(
        "delivered_total",
        "Messages sent for the first time",
        broker.delivered,
    );
    counter(
        "redelivered_total",
        "Messages sent again",
        broker.redelivered,
    );
    counter("acked_total", "Messages acknowledged", broker.acked);
    counter(
        "expired_total",
        "Messages whose time was over",
        broker.expired,
    );
    counter(
        "evicted_total",
        "Messages that had to go for newer ones",
        broker.evicted,
    );
    counter(
        "dropped_total",
        "Online-only messages without room",
        broker.dropped,
    );
    counter("garbled_total", "Frames that were none", broker.garbled);
    counter("busy_total", "Requests answered with busy", broker.busy);
    counter(
        "denied_total",
        "Requests that were not allowed",
        broker.denied,
    );
    counter(
        "store_failures_total",
        "Requests the store has failed",
        broker.store_failures,
    );
    counter("slow_total", "Links that were too slow", broker.slow);
    counter(
        "room_frames_received_total",
        "Frames that came into rooms",
        rooms.received,
    );
    counter(
        "room_frames_sent_total",
        "Frames sent on in rooms",
        rooms.sent,
    );
    counter(
        "room_frames_missed_total",
        "Pictures skipped for slow viewers",
        rooms.missed,
    );
    counter(
        "signals_total",
        "Door and phone signals sent on",
        rooms.signalled,
    );
    counter(
        "signals_dropped_total",
        "Door and phone signals dropped",
        rooms.signals_dropped,
    );
    let events = &now.socketio;
    counter(
        "socketio_binary_total",
        "Binary Socket.IO packets dropped",
        events.binary,
    );
    counter(
        "socketio_attachments_total",
        "Attachments of them dropped",
        events.attachments,
    );
    counter(
        "socketio_foreign_total",
        "Socket.IO packets of other namespaces",
        events.foreign,
    );
    counter(
        "socketio_garbled_total",
        "Texts that were no Socket.IO packet",
        events.garbled,
    );
    counter(
        "socketio_folded_total",
        "Packets encoded twice, put right",
        events.folded,
    );
    counter(
        "socketio_not_folded_total",
        "Packets that may have been encoded twice",
        events.not_folded,
    );
    text
}
