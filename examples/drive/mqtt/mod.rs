//! A connection to an MQTT broker, as `analyst-proto` wants one: messages with quality of service 1,
//! acknowledged by hand, and nothing that goes on by itself.
//!
//! `rumqttc` reconnects, queues and sends again on its own, each time a little differently from what
//! the machine decides. So there is one of its event loops for each connection: it ends with the first
//! failure, and with it whatever it held.

#[cfg(unix)]
mod tunnel;

use analyst_proto::link::{DeliveryId, Down, Login, NotSent, SendId};
use analyst_proto::wire::Topic;
use bytes::Bytes;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing,
    Packet, Publish, QoS,
};
use rustls::ClientConfig;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One connection. Dropped, it is gone, and nothing more is told of it that [`News::of`] lets through.
#[derive(Debug)]
pub struct Connection {
    number: u64,
    client: AsyncClient,
    shared: Arc<Mutex<Shared>>,
    max_payload: usize,
    task: JoinHandle<()>,
}

/// Something about a connection.
#[derive(Debug)]
pub struct News {
    connection: u64,
    what: What,
}

/// What happened to it.
#[derive(Debug)]
pub enum What {
    /// The broker has accepted it.
    Connected,
    /// It is gone, or was not to be had.
    Disconnected {
        /// What the machine is told.
        why: Down,
        /// What people are told.
        said: String,
    },
    /// A message came.
    Delivered {
        /// What to acknowledge it by.
        delivery: DeliveryId,
        /// MQTT's DUP flag.
        duplicate: bool,
        /// What it says.
        payload: Bytes,
    },
    /// The broker has acknowledged a message.
    Sent(SendId),
}

/// What both sides of the event loop know.
#[derive(Debug, Default)]
struct Shared {
    queued: VecDeque<SendId>, // in the order in which they will get packet ids
    flights: HashMap<u16, SendId>, // by packet id
    deliveries: HashMap<DeliveryId, Publish>, // not acknowledged; without what they say
    delivered: u64,
}

/// Most requests that wait for the event loop; many times what a machine has under way: its window and
/// the deliveries that its store answers for at once.
const QUEUE: usize = 1024;
/// Most messages that the broker has not acknowledged; rumqttc asks for a limit.
const INFLIGHT: u16 = 100;
/// The largest packet that there can be. One that is refused unread would come again over every
/// connection, and nothing after it ever would.
const MAX_INCOMING: usize = 268_435_455 + 5;
/// Room for topic and header beside the payload, in bytes.
const HEADER: usize = 512;
/// How long a connection may take; the machine gives up sooner if it is told to.
const CONNECT: Duration = Duration::from_secs(30);

impl Connection {
    /// Begins to connect, with TLS if the login asks for it: `tls` tells whom to trust. `number` is
    /// never used twice.
    pub fn open(
        number: u64,
        login: &Login,
        tls: Option<Arc<ClientConfig>>,
        max_payload: usize,
        news: mpsc::Sender<News>,
    ) -> Self {
        let options = options(login, &login.host, max_payload);
        let (client, mut events) = AsyncClient::new(options, QUEUE);
        events
            .network_options
            .set_connection_timeout(CONNECT.as_secs());
        // A message is not to wait for the acknowledgement of the one before.
        events.network_options.set_tcp_nodelay(true);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let link = Events {
            connection: number,
            inner: events,
            shared: Arc::clone(&shared),
            news,
        };
        let encrypted = login.is_tls.then(|| login.clone());
        let task = tokio::spawn(async move {
            match encrypted {
                Some(login) => link.run_encrypted(&login, tls, max_payload).await,
                None => link.run().await,
            }
        });
        Self {
            number,
            client,
            shared,
            max_payload,
            task,
        }
    }

    /// Publishes a message.
    ///
    /// # Errors
    ///
    /// [`NotSent::TooLarge`], or [`NotSent::Closed`] if the queue is full.
    pub fn publish(&self, send: SendId, topic: &Topic, payload: Vec<u8>) -> Result<(), NotSent> {
        // rumqttc would drop the connection with it.
        if payload.len() > self.max_payload {
            return Err(NotSent::TooLarge);
        }
        let mut shared = lock(&self.shared);
        let queued = self
            .client
            .try_publish(topic.as_str(), QoS::AtLeastOnce, false, payload);
        queued.map_err(|_| NotSent::Closed)?;
        shared.queued.push_back(send);
        Ok(())
    }

    /// Subscribes to a topic. False if the queue is full: then nothing would ever come.
    pub fn subscribe(&self, topic: &Topic) -> bool {
        let subscribed = self.client.try_subscribe(topic.as_str(), QoS::AtLeastOnce);
        subscribed.is_ok()
    }

    /// Acknowledges a delivery; one of another connection is none of this one's. False if the queue
    /// is full: then the connection is of no use any more, as the broker does not deliver it again
    /// before the next one.
    pub fn acknowledge(&self, delivery: DeliveryId) -> bool {
        let publish = lock(&self.shared).deliveries.remove(&delivery);
        publish.is_none_or(|publish| self.client.try_ack(&publish).is_ok())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl News {
    /// What happened, if it is about this connection and not about an older one.
    pub fn of(self, connection: Option<&Connection>) -> Option<What> {
        let current = connection.map(|connection| connection.number);
        (current == Some(self.connection)).then_some(self.what)
    }
}

/// What goes on in the task of a connection.
struct Events {
    connection: u64,
    inner: EventLoop,
    shared: Arc<Mutex<Shared>>,
    news: mpsc::Sender<News>,
}

impl Events {
    /// Runs the connection until it fails.
    async fn run(mut self) {
        loop {
            let what = match self.inner.poll().await {
                Ok(event) => hear(self.connection, event, &self.shared),
                Err(error) => Some(What::Disconnected {
                    why: reason(&error),
                    said: error.to_string(),
                }),
            };
            let Some(what) = what else { continue };
            let is_over = matches!(what, What::Disconnected { .. });
            // As long as nobody listens, nothing more is read.
            if self.tell(what).await.is_err() || is_over {
                return;
            }
        }
    }

    /// The same over TLS.
    #[cfg(unix)]
    async fn run_encrypted(
        mut self,
        login: &Login,
        tls: Option<Arc<ClientConfig>>,
        max_payload: usize,
    ) {
        let Some(tls) = tls else {
            return self
                .fail("the broker wants TLS: say whose certificates to trust")
                .await;
        };
        let tunnel = match tunnel::Tunnel::open(login, tls).await {
            Ok(tunnel) => tunnel,
            Err(error) => return self.fail(&error.to_string()).await,
        };
        self.inner.mqtt_options = options(login, tunnel.socket(), max_payload);
        let unix = rumqttc::Transport::Unix;
        self.inner.mqtt_options.set_transport(unix);
        let passed_on = async {
            tunnel.run().await;
            // The client finds out by itself, and says more.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.run() => {}
            () = passed_on => {}
        }
    }

    #[cfg(not(unix))]
    async fn run_encrypted(mut self, _: &Login, _: Option<Arc<ClientConfig>>, _: usize) {
        self.fail("TLS to a broker is to be had on Unix only").await;
    }

    /// Tells that there is no connection.
    async fn fail(&mut self, said: &str) {
        let (why, said) = (Down::Lost, said.to_owned());
        let _ = self.tell(What::Disconnected { why, said }).await;
    }

    async fn tell(&mut self, what: What) -> Result<(), mpsc::error::SendError<News>> {
        let connection = self.connection;
        self.news.send(News { connection, what }).await
    }
}

fn options(login: &Login, address: &str, max_payload: usize) -> MqttOptions {
    let mut options = MqttOptions::new(login.client_id.as_str(), address, login.port);
    options.set_credentials(&*login.user_name, login.password.as_str());
    options.set_keep_alive(Duration::from_secs(login.keepalive.max(1).into()));
    options.set_clean_session(false);
    options.set_manual_acks(true);
    options.set_inflight(INFLIGHT);
    options.set_max_packet_size(MAX_INCOMING, max_payload + HEADER);
    options
}

fn hear(connection: u64, event: Event, shared: &Mutex<Shared>) -> Option<What> {
    let mut shared = lock(shared);
    match event {
        Event::Incoming(Packet::ConnAck(_)) => Some(What::Connected),
        Event::Incoming(Packet::Publish(publish)) => {
            shared.delivered += 1;
            let delivery = DeliveryId((connection << 32) | shared.delivered);
            let payload = publish.payload.clone();
            let duplicate = publish.dup;
            let bare = Publish {
                payload: Bytes::new(),
                ..publish
            };
            shared.deliveries.insert(delivery, bare);
            Some(What::Delivered {
                delivery,
                duplicate,
                payload,
            })
        }
        Event::Incoming(Packet::PubAck(ack)) => {
            let send = shared.flights.remove(&ack.pkid)?;
            Some(What::Sent(send))
        }
        Event::Outgoing(Outgoing::Publish(pkid)) => {
            let send = shared.queued.pop_front()?;
            shared.flights.insert(pkid, send);
            None
        }
        _ => None,
    }
}

fn reason(error: &ConnectionError) -> Down {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => Down::BadCredentials,
        ConnectionError::ConnectionRefused(code) => Down::Refused(*code as u8),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Down::Timeout,
        _ => Down::Lost,
    }
}

/// What it guards is right after each line, so a panic elsewhere does no harm.
fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
