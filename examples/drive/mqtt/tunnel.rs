//! TLS for a client that has none of its own.
//!
//! `rumqttc` 0.25 takes no stream of ours, and its own TLS is out of date. But it connects to Unix
//! sockets: so there is one, in a folder that nobody else may enter, for one connection, and what goes
//! in there goes on over TLS.

use super::CONNECT;
use analyst_proto::link::Login;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpStream, UnixListener};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection to a broker over TLS, and the socket where it is to be had. Dropped, both are gone.
#[derive(Debug)]
pub(super) struct Tunnel {
    stream: TlsStream<TcpStream>,
    listener: UnixListener,
    folder: Folder,
}

/// A folder of our own, and a socket in it. Dropped, both are gone.
#[derive(Debug)]
struct Folder {
    path: String,
    socket: String,
}

impl Tunnel {
    /// Connects to the broker, whose certificate has to be for the host that was asked for.
    pub(super) async fn open(login: &Login, tls: Arc<ClientConfig>) -> io::Result<Self> {
        let connected = tokio::time::timeout(CONNECT, connect(login, tls)).await;
        let stream = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        let folder = Folder::new()?;
        let listener = UnixListener::bind(&folder.socket)?;
        Ok(Self {
            stream,
            listener,
            folder,
        })
    }

    /// Where the client finds it.
    pub(super) fn socket(&self) -> &str {
        &self.folder.socket
    }

    /// Passes everything on, both ways, until either side is gone.
    pub(super) async fn run(self) {
        let Self {
            mut stream,
            listener,
            folder,
        } = self;
        let Ok((mut client, _)) = listener.accept().await else {
            return;
        };
        // There is one client.
        drop((listener, folder));
        // What goes wrong, the client learns when its connection ends.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut stream).await;
    }
}

async fn connect(login: &Login, tls: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let host = login.host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TcpStream::connect((host, login.port)).await?;
    // A message is not to wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    TlsConnector::from(tls).connect(name, stream).await
}

impl Folder {
    /// A new folder, for nobody else's eyes.
    fn new() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let mut name = [0; 8];
        let random = rustls::crypto::ring::default_provider().secure_random;
        let filled = random.fill(&mut name);
        filled.map_err(|_| io::Error::other("the system has no random numbers"))?;
        let name = format!("mqtt-{:016x}", u64::from_ne_bytes(name));
        let path = std::env::temp_dir().join(name);
        // It fails if there is one of this name, so nobody can have prepared it.
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        let socket = path.join("broker").into_os_string().into_string();
        let path = path.into_os_string().into_string();
        match (path, socket) {
            (Ok(path), Ok(socket)) => Ok(Self { path, socket }),
            _ => Err(io::Error::other(
                "the folder for temporary files has a name that is not UTF-8: set TMPDIR",
            )),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind does no harm.
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_dir(&self.path);
    }
}
