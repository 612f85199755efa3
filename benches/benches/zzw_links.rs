//! The ends of the cluster bench: links that take messages and acknowledge them, and publishers.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;

/// In every message once, and nowhere else: receivers count it.
const MARK: u8 = b'~';

/// Bytes of a body.
pub(crate) const BODY: usize = 300;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all receivers have received and acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seen: AtomicU64,
    wanted: AtomicU64,
    is_there: Notify,
}

impl Tally {
    fn add(&self, messages: u64) {
        let seen = self.seen.fetch_add(messages, Ordering::Relaxed) + messages;
        if seen >= self.wanted.load(Ordering::Relaxed) {
            self.is_there.notify_one();
        }
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// From now on so many more are waited for.
    pub(crate) fn expect(&self, messages: u64) {
        let seen = self.seen.load(Ordering::Relaxed);
        self.wanted.store(seen + messages, Ordering::Relaxed);
    }

    /// Waits for all that are expected.
    pub(crate) async fn all(&self) -> io::Result<()> {
        let wanted = self.wanted.load(Ordering::Relaxed);
        while self.seen.load(Ordering::Relaxed) < wanted {
            let told = tokio::time::timeout(PATIENCE, self.is_there.notified()).await;
            let seen = self.seen.load(Ordering::Relaxed);
            told.map_err(|_| io::Error::other(format!("{seen} of {wanted} came")))?;
        }
        Ok(())
    }
}

/// A body of [`BODY`] bytes.
pub(crate) fn body() -> String {
    format!("{}{}", char::from(MARK), "x".repeat(BODY - 1))
}

/// The name of alias number `number`.
pub(crate) fn alias(number: usize) -> String {
    format!("m_{number:06}")
}

pub(crate) async fn connect(port: u16) -> io::Result<TcpStream> {
    connect_from(0, port).await
}

/// From one of several addresses: with more than 14,000 links from one, the system looks long for a
/// port that is free.
async fn connect_from(number: usize, port: u16) -> io::Result<TcpStream> {
    let from =
        Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + u32::try_from(number % 8).unwrap_or(0));
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Says something and waits for an answer of that kind.
pub(crate) async fn ask(stream: &mut TcpStream, line: &str, answer: &str) -> io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    let mut heard = Vec::new();
    let (begin, answer) = (format!("{{\"t\":{answer}"), answer);
    while !memchr::memmem::find(&heard, begin.as_bytes())
        .is_some_and(|at| heard[at..].contains(&b'\n'))
    {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut heard)).await;
        let heard = || String::from_utf8_lossy(&heard).into_owned();
        match read {
            Ok(Ok(length)) if length > 0 => {}
            _ => return Err(io::Error::other(format!("no {answer} but `{}`", heard()))),
        }
    }
    Ok(())
}

/// A link that has an alias.
pub(crate) async fn bind(port: u16, number: usize) -> io::Result<TcpStream> {
    let mut stream = connect_from(number / 2, port).await?;
    let line = format!("{{\"t\":14,\"alias\":\"{}\"}}\n", alias(number));
    ask(&mut stream, &line, "-14").await?;
    Ok(stream)
}

/// A link that has an alias and two topics.
pub(crate) async fn subscribe(
    port: u16,
    number: usize,
    topics: [String; 2],
) -> io::Result<TcpStream> {
    let mut stream = bind(port, number).await?;
    let [one, other] = topics;
    let line = format!("{{\"t\":2,\"topic\":[\"{one}\",\"{other}\"],\"num\":\"1\"}}\n");
    ask(&mut stream, &line, "-2").await?;
    Ok(stream)
}

/// Takes and acknowledges whatever comes, until the link ends.
pub(crate) async fn receive(mut stream: TcpStream, tally: Arc<Tally>) {
    let (mut received, mut out) = (Vec::with_capacity(2_048), Vec::new());
    while stream.read_buf(&mut received).await.unwrap_or(0) > 0 {
        let messages = acknowledge(&mut received, &mut out);
        if stream.write_all(&out).await.is_err() {
            return;
        }
        out.clear();
        tally.add(messages);
    }
}

/// Takes whole messages out of what has come and appends what acknowledges them.
fn acknowledge(received: &mut Vec<u8>, out: &mut Vec<u8>) -> u64 {
    let (mut messages, mut taken) = (0, 0);
    while let Some(end) = memchr::memchr(b'\n', &received[taken..]) {
        let line = &received[taken..taken + end];
        taken += end + 1;
        let head = memchr::memmem::find(line, b",\"msg\"").map(|at| &line[..at]);
        if let Some(ids) = head.and_then(|head| head.strip_prefix(b"{\"t\":5")) {
            messages += u64::from(line.contains(&MARK));
            out.extend_from_slice(b"{\"t\":-5");
            out.extend_from_slice(ids);
            out.extend_from_slice(b"}\n");
        }
    }
    received.drain(..taken);
    messages
}

/// A line that publishes to an alias, kept for ten minutes.
pub(crate) fn to_alias(number: usize, body: &str) -> String {
    format!(
        "{{\"t\":6,\"method\":\"publish_to_alias\",\"alias\":[\"{}\"],\"msg\":\"{body}\",\
         \"opts\":{{\"time_to_live\":600}},\"num\":\"1\"}}\n",
        alias(number)
    )
}

/// A line that publishes to a topic, kept for ten minutes.
pub(crate) fn to_topic(topic: &str, body: &str) -> String {
    format!(
        "{{\"t\":6,\"method\":\"publish\",\"topic\":[\"{topic}\"],\"msg\":\"{body}\",\
         \"opts\":{{\"time_to_live\":600}},\"num\":\"1\"}}\n"
    )
}

/// Publishes all lines, of which so many are unanswered at a time, and waits for the answers.
pub(crate) async fn publish(
    stream: &mut TcpStream,
    mut lines: impl Iterator<Item = String>,
    window: usize,
) -> io::Result<()> {
    let mut unanswered = 0;
    let mut received = Vec::new();
    loop {
        let out: Vec<String> = lines.by_ref().take(window - unanswered).collect();
        unanswered += out.len();
        if unanswered == 0 {
            return Ok(());
        }
        stream.write_all(out.concat().as_bytes()).await?;
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut received)).await;
        if read.map_err(|_| io::Error::other("publications are not answered"))?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some(end) = memchr::memchr(b'\n', &received) {
            let line: Vec<u8> = received.drain(..=end).collect();
            if !line.starts_with(b"{\"t\":-6") {
                let line = String::from_utf8_lossy(&line).into_owned();
                return Err(io::Error::other(format!("refused: {line}")));
            }
            unanswered -= 1;
        }
    }
}
