//! A box: one task around a [`Device`], one for each subscriber, one for each HTTP connection.

mod task;

use super::link::{self, Hall};
use super::traffic::{Traffic, cameras};
use crate::http::{self, Body, Limits, Request, Response, StatusCode};
use hyper::body::Incoming;
use se5_events::device::{Config, Counters, Event, Fault, Reboot};
use se5_events::{Answer, AskError, DeviceInfo, Dialect, Sighting, codec};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use task::{Asked, Ends, HIGH_WATER, Simulator};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// A box to be started.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BoxOptions {
    /// Where the WebSocket listens; an ephemeral port of 127.0.0.1. Real boxes use 5679.
    pub listen: SocketAddr,
    /// Where HTTP listens; an ephemeral port of 127.0.0.1. Real boxes use 5555.
    pub http: SocketAddr,
    /// The machine's settings.
    pub config: Config,
    /// The cameras; two.
    pub devices: Vec<DeviceInfo>,
    /// Who comes by.
    pub traffic: Traffic,
}

/// A running box. Dropped, it ends at once.
#[derive(Debug)]
pub struct BoxHandle {
    ws: SocketAddr,
    http: SocketAddr,
    control: BoxControl,
    news: mpsc::Receiver<BoxNews>,
    counters: watch::Receiver<BoxCounters>,
    task: JoinHandle<()>,
}

/// Gives commands to a box; clones command the same one.
#[derive(Debug, Clone)]
pub struct BoxControl {
    commands: mpsc::UnboundedSender<BoxCommand>,
}

/// What a box can be told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BoxCommand {
    /// Show this to the subscribers, besides what passes by itself.
    Emit(Box<Sighting>),
    /// From now on so many events a second.
    Rate(f64),
    /// Add a device, or replace it.
    AddDevice(DeviceInfo),
    /// Remove a device.
    RemoveDevice(String),
    /// Switch a fault on.
    Fault(Fault),
    /// Send at most so many bytes a second on each link; `None` is no limit.
    Throttle(Option<u64>),
    /// End every fault, the throttle included.
    Heal,
    /// Hang up on every subscriber, without a close frame.
    CutLinks,
    /// Reboot.
    Reboot(Reboot),
    /// Reboot into the other dialect.
    SwitchDialect,
    /// Send what is queued, then end.
    Stop,
}

/// What a box tells.
#[expect(
    clippy::large_enum_variant,
    reason = "most of what passes is the large one"
)]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BoxNews {
    /// What the machine says.
    Machine(Event),
    /// Someone was seen.
    Emitted(Emitted),
    /// [`Traffic::count`] events have been emitted.
    Exhausted,
}

/// What was emitted, without its pictures.
#[derive(Debug, Clone)]
pub struct Emitted {
    /// Everything but the pictures. The time is the true one, whatever the box's clock says.
    pub sighting: Sighting,
}

/// A box in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BoxCounters {
    /// The machine's.
    pub machine: Counters,
    /// Subscribers now.
    pub links: usize,
    /// Messages that wait in queues now, over all links.
    pub queued: usize,
    /// News that nobody read in time.
    pub news_lost: u64,
}

impl BoxOptions {
    /// The defaults, everything drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: loopback,
            http: loopback,
            config: Config::new(seed),
            devices: cameras(2, seed),
            traffic: Traffic::default(),
        }
    }
}

/// Starts a box.
///
/// # Errors
///
/// If a port cannot be had; the text says which and what to do.
pub async fn spawn_box(options: BoxOptions) -> io::Result<BoxHandle> {
    let (ws, questions) = (
        http::listen(options.listen).await?,
        http::listen(options.http).await?,
    );
    let (links, from_links) = mpsc::channel(256);
    let hall = Hall {
        news: links,
        last_id: Arc::default(),
        throttle: Arc::default(),
        queue: 2 * options.config.max_queue + HIGH_WATER + 16,
    };
    let throttle = Arc::clone(&hall.throttle);
    let ws = http::serve(ws, Limits::default(), move |request, peer| {
        std::future::ready(link::admit(request, peer, hall.clone()))
    })?;
    let (asks, asked) = mpsc::channel(64);
    let limits = options.config.limits;
    let questions = http::serve(questions, Limits::default(), move |request, _| {
        respond(request, asks.clone(), limits)
    })?;
    let (commands, commanded) = mpsc::unbounded_channel();
    let (news_in, news) = mpsc::channel(1024);
    let (counters_in, counters) = watch::channel(BoxCounters::default());
    let (ws_address, http_address) = (ws.address(), questions.address());
    let mut simulator = Simulator::new(
        options.config,
        options.traffic,
        throttle,
        news_in,
        counters_in,
    );
    for info in options.devices {
        if !simulator.add(info) {
            return Err(io::Error::other("more cameras than `Config::max_devices`"));
        }
    }
    let task = tokio::spawn(simulator.run(Ends {
        commands: commanded,
        links: from_links,
        questions: asked,
        servers: [ws, questions],
    }));
    Ok(BoxHandle {
        ws: ws_address,
        http: http_address,
        control: BoxControl { commands },
        news,
        counters,
        task,
    })
}

impl BoxHandle {
    /// Where the WebSocket listens.
    pub fn ws_addr(&self) -> SocketAddr {
        self.ws
    }

    /// Where HTTP listens.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// `ws://127.0.0.1:5679`
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.ws)
    }

    /// `http://127.0.0.1:5555`
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The way to command it, from anywhere.
    pub fn control(&self) -> BoxControl {
        self.control.clone()
    }

    /// What happens next; `None` once the box has ended. News that is not read in time is lost and
    /// counted.
    pub async fn next(&mut self) -> Option<BoxNews> {
        self.news.recv().await
    }

    /// How things stand.
    pub fn counters(&self) -> BoxCounters {
        *self.counters.borrow()
    }

    /// Ends the box in order: what is queued goes out first, for at most 2 s.
    pub async fn stop(mut self) {
        self.control.send(BoxCommand::Stop);
        let _ = tokio::time::timeout(Duration::from_secs(8), &mut self.task).await;
    }
}

impl Drop for BoxHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl BoxControl {
    /// Passes a command on. A box that has ended takes none.
    pub fn send(&self, command: BoxCommand) {
        let _ = self.commands.send(command);
    }
}

/// Answers an HTTP request by asking the box.
async fn respond(
    request: Request<Incoming>,
    box_: mpsc::Sender<Asked>,
    limits: se5_events::Limits,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match http::collect(body, &Limits::default()).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let (dialect, ask) = match codec::decode_ask(head.method.as_str(), target, &body, &limits) {
        Ok(question) => question,
        Err(error) => return unasked(error, target),
    };
    let (answer, answered) = oneshot::channel();
    if box_.send((dialect, ask.clone(), answer)).await.is_err() {
        return http::text(StatusCode::SERVICE_UNAVAILABLE, "the box has ended");
    }
    match answered.await {
        Ok(answer) => written(&answer, &ask, dialect),
        Err(_) => http::text(StatusCode::SERVICE_UNAVAILABLE, "the box has no answer"),
    }
}

/// The answer to what is no question, in the words of the dialect that the path belongs to.
fn unasked(error: AskError, target: &str) -> Response<Body> {
    let dialect = if target.starts_with("/sophon/v2/") {
        Dialect::V2
    } else {
        Dialect::V1
    };
    let ask = se5_events::Ask::Devices(None);
    written(&Answer::Failed(error), &ask, dialect)
}

fn written(answer: &Answer, ask: &se5_events::Ask, dialect: Dialect) -> Response<Body> {
    let response = codec::encode_answer(answer, ask, dialect);
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
    http::answer(status, response.content_type, response.body)
}
