//! A network cable that can be pulled: a TCP relay on the loopback address.

use crate::http;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A relay to one end, or to the first of several that answers. Dropped, it breaks every connection
/// through it.
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
        Self::lay_to_any(vec![end]).await
    }

    /// Lays a cable to several ends, on a free port. Each connection is to the first that takes it, as
    /// that of a client is to whom a name has several addresses.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub(super) async fn lay_to_any(ends: Vec<SocketAddr>) -> io::Result<Self> {
        let listener = http::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let (pulled, is_pulled) = watch::channel(false);
        let task = tokio::spawn(relay(listener, ends, is_pulled));
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

async fn relay(listener: TcpListener, ends: Vec<SocketAddr>, mut pulled: watch::Receiver<bool>) {
    let ends: Arc<[SocketAddr]> = ends.into();
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            Ok((mut near, _)) = listener.accept() => if !*pulled.borrow() {
                let ends = Arc::clone(&ends);
                lines.spawn(async move {
                    // Either end may break it off; the other one then learns of it.
                    let mut far = TcpStream::connect(&*ends).await?;
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

    #[tokio::test]
    async fn cable_to_several_ends_leads_to_the_first_that_is_there() -> io::Result<()> {
        let (first, second) = (
            TcpListener::bind("127.0.0.1:0").await?,
            TcpListener::bind("127.0.0.1:0").await?,
        );
        let ends = vec![first.local_addr()?, second.local_addr()?];
        let cable = Cable::lay_to_any(ends).await?;
        let mut near = TcpStream::connect(cable.address()).await?;
        let (mut far, _) = first.accept().await?;
        far.write_all(b"1").await?;
        assert_eq!(near.read_u8().await?, b'1');
        drop((first, far));
        let mut near = TcpStream::connect(cable.address()).await?;
        let (mut far, _) = second.accept().await?;
        far.write_all(b"2").await?;
        assert_eq!(near.read_u8().await?, b'2');
        Ok(())
    }
}
