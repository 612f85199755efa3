//! A network cable that can be pulled: a TCP relay on the loopback address.

use crate::http;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A relay to one address. Dropped, it breaks every connection through it.
#[derive(Debug)]
pub(super) struct Cable {
    address: SocketAddr,
    pulled: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Cable {
    /// Lays a cable to `end`, on a free port.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub(super) async fn lay(end: SocketAddr) -> io::Result<Self> {
        let listener = http::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let (pulled, is_pulled) = watch::channel(false);
        let task = tokio::spawn(relay(listener, end, is_pulled));
        Ok(Self {
            address,
            pulled,
            task,
        })
    }

    /// Where to connect to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection without a word and lets none come up, until plugged in again.
    pub(super) fn pull(&self) {
        self.pulled.send_replace(true);
    }

    /// Lets connections come up again.
    pub(super) fn plug_in(&self) {
        self.pulled.send_replace(false);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(listener: TcpListener, end: SocketAddr, mut pulled: watch::Receiver<bool>) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            Ok((mut near, _)) = listener.accept() => if !*pulled.borrow() {
                lines.spawn(async move {
                    // Either end may break it off; the other one then learns of it.
                    let mut far = TcpStream::connect(end).await?;
                    far.set_nodelay(true)?;
                    near.set_nodelay(true)?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            },
            Some(_) = lines.join_next() => {}
            Ok(()) = pulled.changed() => if *pulled.borrow_and_update() {
                lines.abort_all();
            },
            else => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn pulled_cable_breaks_connections_until_plugged_in() -> io::Result<()> {
        let end = TcpListener::bind("127.0.0.1:0").await?;
        let cable = Cable::lay(end.local_addr()?).await?;
        for _ in 0..2 {
            let mut near = TcpStream::connect(cable.address()).await?;
            let (mut far, _) = end.accept().await?;
            far.write_all(b"a").await?;
            assert_eq!(near.read_u8().await?, b'a');
            cable.pull();
            assert_eq!(near.read(&mut [0]).await.unwrap_or(0), 0);
            let mut refused = TcpStream::connect(cable.address()).await?;
            assert_eq!(refused.read(&mut [0]).await.unwrap_or(0), 0);
            cable.plug_in();
        }
        Ok(())
    }
}
