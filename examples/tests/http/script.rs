//! A server that says what it is told to, whatever it hears.

use drive::http::Place;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Follows one script per connection. A connection is closed after the last step.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

pub(crate) enum Step {
    /// Reads a request.
    Hear,
    Say(&'static str),
    /// Says an answer without an end.
    Flood,
    /// Stays silent for ever.
    Hold,
}

impl Scripted {
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(vec![]));
        let record = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut parts = tokio::task::JoinSet::new();
            for script in scripts {
                let (stream, _) = listener.accept().await.unwrap();
                parts.spawn(play(stream, script, Arc::clone(&record)));
            }
            while parts.join_next().await.is_some() {}
        });
        Self {
            address,
            heard,
            task,
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            is_tls: false,
            host: self.address.ip().to_string(),
            port: self.address.port(),
        }
    }

    /// The requests so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(stream: TcpStream, script: Vec<Step>, heard: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    for step in script {
        match step {
            Step::Hear => {
                let Some(request) = hear(&mut stream).await else {
                    return;
                };
                heard.lock().unwrap().push(request);
            }
            Step::Say(text) => {
                let _ = stream.get_mut().write_all(text.as_bytes()).await;
            }
            Step::Flood => {
                let stream = stream.get_mut();
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&[b' '; 10_000]).await.is_ok() {}
            }
            Step::Hold => std::future::pending().await,
        }
    }
}

async fn hear(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if stream.read_line(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    let mut lines = request.lines();
    let len = lines.find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; len.map_or(0, |len| len.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    request.push_str(&String::from_utf8(body).unwrap());
    Some(request)
}
