//! The client half of the end-to-end bench: this program, started again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cpu_time::ProcessTime;
use futures_util::{SinkExt as _, StreamExt as _};
use se5_events::{Dialect, FaceEvent, Subscription};
use serde_json::Value;
use std::hint::black_box;
use std::process::ExitCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// The device that every client subscribes to.
pub(crate) const DEVICE: &str = "04f98265-1fad-47e5-9dda-66e191272055";

const MAX_MESSAGE: usize = 16 << 20;

/// Receives events as the subscriber of the examples does, reads them in the way called `kind`, and
/// prints the CPU time of the `events` that follow the `first`.
pub(crate) fn client(kind: &str, url: &str, first: usize, events: usize) -> ExitCode {
    let mut pictures = (Vec::new(), Vec::new());
    let mut read: Box<dyn FnMut(Bytes)> = match kind {
        "socket" => Box::new(|json| drop(black_box(json))),
        "ours" => Box::new(|json| drop(black_box(facts(json)))),
        "ours-jpegs" => Box::new(move |json| {
            let event = facts(json);
            let (face, scene) = (event.face_picture(), event.scene_picture());
            let (face, scene) = (face.inline().unwrap(), scene.inline().unwrap());
            face.jpeg_into(&mut pictures.0, MAX_MESSAGE).unwrap();
            scene.jpeg_into(&mut pictures.1, MAX_MESSAGE).unwrap();
            black_box(&pictures);
        }),
        "value" => Box::new(|json| {
            black_box(serde_json::from_slice::<Value>(&json).unwrap());
        }),
        "value-jpegs" => Box::new(|json| {
            let event: Value = serde_json::from_slice(&json).unwrap();
            let jpeg = |name: &str| STANDARD.decode(event["ext_data"][name].as_str().unwrap());
            black_box((jpeg("recognize_face").unwrap(), jpeg("spot_pic").unwrap()));
        }),
        _ => return ExitCode::FAILURE,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let spent = runtime.block_on(async {
        let address = url.trim_start_matches("ws://").trim_end_matches('/');
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE))
            .max_write_buffer_size(1 << 20)
            .read_buffer_size(128 << 10);
        let dialled = tokio_tungstenite::client_async_with_config(url, stream, Some(config));
        let (mut socket, _) = dialled.await.unwrap();
        let mut wanted = Vec::new();
        let subscription = Subscription::new([DEVICE]).with_faces(true);
        subscription.encode(Dialect::V1, &mut wanted);
        let wanted = Utf8Bytes::try_from(wanted).unwrap();
        socket.send(Message::Text(wanted)).await.unwrap();
        let mut start = ProcessTime::now();
        for nth in 0..first + events {
            if nth == first {
                start = ProcessTime::now();
            }
            let message = socket.next().await.unwrap().unwrap();
            read(message.into_data());
        }
        start.elapsed()
    });
    println!("{}", spent.as_nanos());
    ExitCode::SUCCESS
}

/// The event, and what every application looks at.
fn facts(json: Bytes) -> FaceEvent {
    let event = FaceEvent::decode(json).unwrap();
    black_box((event.timestamp(), event.person(), event.identity_name()));
    event
}
