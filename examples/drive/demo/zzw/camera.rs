//! The camera at the door and whoever looks at its pictures, through a relay room.

use crate::faces::{Cast, PictureSize, View};
use crate::ws::{self, ClientSocket, Message};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Sends a picture from time to time.
pub(super) struct Camera(JoinHandle<()>);

/// Shows what comes.
pub(super) struct Viewer {
    pictures: mpsc::Receiver<Bytes>,
    task: JoinHandle<()>,
}

/// Between two pictures.
const EVERY: Duration = Duration::from_secs(3);
/// Between two attempts to get into the room.
const AGAIN: Duration = Duration::from_millis(500);

impl Camera {
    /// Into a room of the relay there.
    pub(super) fn start(relay: SocketAddr, room: &'static str, seed: u64) -> Self {
        Self(tokio::spawn(async move {
            let mut cast = Cast::new(seed, PictureSize::Small);
            let mut number = 0;
            loop {
                if let Ok(mut socket) = ws::dial(&format!("ws://{relay}/{room}/0")).await {
                    while send(&mut socket, &mut cast, number).await.is_some() {
                        number += 1;
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
        }))
    }

    /// True while it runs.
    pub(super) fn tick(&self) -> bool {
        !self.0.is_finished()
    }

    pub(super) fn stop(&self) {
        self.0.abort();
    }
}

/// One picture; `None` once the link is gone.
async fn send(socket: &mut ClientSocket, cast: &mut Cast, number: usize) -> Option<()> {
    let character = cast.character(number);
    if let Some(jpeg) = cast.picture(&character, View::Scene(0)) {
        socket.send(Message::Binary(jpeg)).await.ok()?;
    }
    let wait = tokio::time::sleep(EVERY);
    tokio::pin!(wait);
    loop {
        tokio::select! {
            () = &mut wait => return Some(()),
            // Pings are answered while it is read from.
            message = socket.next() => drop(message?.ok()?),
        }
    }
}

impl Viewer {
    /// In that room.
    pub(super) fn start(relay: SocketAddr, room: &'static str) -> Self {
        let (shown, pictures) = mpsc::channel(4);
        let task = tokio::spawn(async move {
            loop {
                if let Ok(mut socket) = ws::dial(&format!("ws://{relay}/{room}/1")).await {
                    while let Some(Ok(message)) = socket.next().await {
                        if let Message::Binary(jpeg) = message {
                            // A viewer that is slow misses pictures, not the newest.
                            let _ = shown.try_send(jpeg);
                        }
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
        Self { pictures, task }
    }

    /// The next picture.
    pub(super) async fn next(&mut self) -> Bytes {
        match self.pictures.recv().await {
            Some(jpeg) => jpeg,
            None => std::future::pending().await,
        }
    }

    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
