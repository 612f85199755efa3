//! One subscriber's WebSocket, in a task of its own: a slow one delays nobody.

use crate::http::{Body, Request, Response};
use crate::ws::frame::Frame;
use crate::ws::frame::coding::{Data, OpCode};
use crate::ws::{self, Error, Message, PingRules, ServerSocket, Utf8Bytes};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::body::Incoming;
use se5_events::ToBox;
use se5_events::device::{Fault, LinkId, Peer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What all links of a box share.
#[derive(Debug, Clone)]
pub(super) struct Hall {
    pub(super) news: mpsc::Sender<FromLink>,
    pub(super) last_id: Arc<AtomicU64>,
    /// Bytes a second on each link; 0 is no limit.
    pub(super) throttle: Arc<AtomicU64>,
    /// Places in the queue of a link.
    pub(super) queue: usize,
}

/// What a link tells the box.
#[derive(Debug)]
pub(super) enum FromLink {
    Joined(LinkId, Peer, LinkHandle),
    Said(LinkId, Bytes),
    Heard(LinkId, ToBox),
    Ready(LinkId),
    Gone(LinkId),
}

/// What the box tells a link.
#[derive(Debug)]
pub(super) enum ToLink {
    Send(Parcel),
    Ping,
    /// Say when you have come this far.
    Tell,
}

/// A message in bytes, and how to send it.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    payload: Payload,
    fragments: u32,
    is_coalesced: bool,
}

#[derive(Debug, Clone)]
enum Payload {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// The box's end of a link. Dropped, the link sends what it has and ends.
#[derive(Debug)]
pub(super) struct LinkHandle {
    pub(super) queue: mpsc::Sender<ToLink>,
    pub(super) rules: Arc<PingRules>,
    /// The machine holds messages back until the queue has run dry.
    pub(super) is_slow: bool,
    cut: oneshot::Sender<()>,
}

impl LinkHandle {
    /// Ends the link at once, without a close frame.
    pub(super) fn cut(self) {
        // It may have ended by itself.
        let _ = self.cut.send(());
    }

    /// Messages that have not been handed to the socket.
    pub(super) fn pending(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

impl Parcel {
    /// `json` with the faults of framing among `faults`.
    pub(super) fn new(json: Bytes, faults: &[Fault]) -> Self {
        let is_binary = faults.contains(&Fault::Binary);
        let payload = match Utf8Bytes::try_from(json.clone()) {
            Ok(text) if !is_binary => Payload::Text(text),
            _ => Payload::Binary(json),
        };
        let fragments = faults.iter().find_map(|fault| match fault {
            Fault::Fragments(count) => Some(*count),
            _ => None,
        });
        Self {
            payload,
            fragments: fragments.unwrap_or(1),
            is_coalesced: faults.contains(&Fault::Coalesced),
        }
    }

    fn len(&self) -> usize {
        match &self.payload {
            Payload::Text(text) => text.len(),
            Payload::Binary(bytes) => bytes.len(),
        }
    }

    async fn feed(self, socket: &mut ServerSocket) -> Result<(), Error> {
        if self.fragments <= 1 {
            let message = match self.payload {
                Payload::Text(text) => Message::Text(text),
                Payload::Binary(bytes) => Message::Binary(bytes),
            };
            return socket.feed(message).await;
        }
        let (bytes, mut kind) = match self.payload {
            Payload::Text(text) => (Bytes::from(text), Data::Text),
            Payload::Binary(bytes) => (bytes, Data::Binary),
        };
        let size = bytes.len().div_ceil(self.fragments as usize).max(1);
        for start in (0..bytes.len()).step_by(size) {
            let end = bytes.len().min(start + size);
            let is_last = end == bytes.len();
            let frame = Frame::message(bytes.slice(start..end), OpCode::Data(kind), is_last);
            socket.feed(Message::Frame(frame)).await?;
            kind = Data::Continue;
        }
        Ok(())
    }
}

/// Answers a request for a WebSocket; the link then lives on by itself.
pub(super) fn admit(request: Request<Incoming>, peer: SocketAddr, hall: Hall) -> Response<Body> {
    let rules = Arc::new(PingRules::default());
    let (response, socket) = ws::upgrade(request, Arc::clone(&rules));
    if let Some(socket) = socket {
        tokio::spawn(async move {
            // Who leaves during the upgrade was never here.
            if let Ok(socket) = socket.await {
                live(socket, peer, hall, rules).await;
            }
        });
    }
    response
}

async fn live(socket: ServerSocket, peer: SocketAddr, hall: Hall, rules: Arc<PingRules>) {
    let id = LinkId(hall.last_id.fetch_add(1, Ordering::Relaxed) + 1);
    let (queue, parcels) = mpsc::channel(hall.queue);
    let (cut, is_cut) = oneshot::channel();
    let handle = LinkHandle {
        queue,
        rules,
        is_slow: false,
        cut,
    };
    let joined = FromLink::Joined(id, Peer(peer.to_string()), handle);
    if hall.news.send(joined).await.is_err() {
        return;
    }
    let is_cut = async {
        if is_cut.await.is_err() {
            // The handle was dropped: the queue may run dry, if the subscriber takes it.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    tokio::select! {
        () = is_cut => {}
        // How a subscriber leaves makes no difference.
        _ = converse(id, socket, parcels, &hall) => {}
    }
    // The box may have ended before.
    let _ = hall.news.send(FromLink::Gone(id)).await;
}

/// How long a message waits for another one to share a segment with.
const COALESCE: Duration = Duration::from_millis(200);

async fn converse(
    id: LinkId,
    mut socket: ServerSocket,
    mut parcels: mpsc::Receiver<ToLink>,
    hall: &Hall,
) -> Result<(), Error> {
    let mut holds = false;
    loop {
        tokio::select! {
            item = parcels.recv() => {
                let mut next = item;
                let mut must_flush = false;
                if next.is_none() {
                    return socket.flush().await;
                }
                while let Some(item) = next {
                    match item {
                        ToLink::Send(parcel) => {
                            let length = parcel.len() as u64;
                            if parcel.is_coalesced { holds = true } else { must_flush = true }
                            parcel.feed(&mut socket).await?;
                            let rate = hall.throttle.load(Ordering::Relaxed);
                            if let Some(millis) = (length * 1000).checked_div(rate) {
                                socket.flush().await?;
                                tokio::time::sleep(Duration::from_millis(millis)).await;
                            }
                        }
                        ToLink::Ping => {
                            socket.feed(Message::Ping(Bytes::new())).await?;
                            must_flush = true;
                        }
                        ToLink::Tell => {
                            socket.flush().await?;
                            if hall.news.send(FromLink::Ready(id)).await.is_err() {
                                return Ok(());
                            }
                        }
                    }
                    next = parcels.try_recv().ok();
                }
                if must_flush {
                    socket.flush().await?;
                    holds = false;
                }
            }
            message = socket.next() => {
                let message = message.transpose()?;
                let news = match message {
                    None => return Ok(()),
                    Some(Message::Text(text)) => FromLink::Said(id, text.into()),
                    Some(Message::Binary(bytes)) => FromLink::Said(id, bytes),
                    Some(Message::Ping(_)) => FromLink::Heard(id, ToBox::Ping),
                    Some(_) => continue,
                };
                if hall.news.send(news).await.is_err() {
                    return Ok(());
                }
            }
            () = tokio::time::sleep(COALESCE), if holds => {
                socket.flush().await?;
                holds = false;
            }
        }
    }
}
