//! The broker core of the push system by itself: publish to deliver, fan-out, heartbeats, growth, and
//! what an idle link holds. No socket and no store: a stand-in answers at once what a store would.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "the origin of a virtual clock; counts are far below 2^52"
)]

use benches::{Group, held_bytes, is_measured};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{
    Appended, Config, Input, LinkId, MessageId, NodeId, Output, Owner, Parcel, Peer, Platform,
    Rate, Seq, StoreOp, StoreReply, Transport, UnixMillis,
};
use zzw_push_proto::wire::{
    Ack, Connect, Heartbeat, Json, Message, Mid, Num, Publish, Register, Text, Ttl,
};

/// By the wall clock.
const AT: UnixMillis = UnixMillis(1_660_625_866_000);
/// The link that publishes.
const PUBLISHER: LinkId = LinkId(0);
/// A usual message, in bytes.
const BODY: usize = 300;

fn main() {
    one_to_one();
    fan_out(1_000);
    fan_out(many());
    heartbeats();
    growth();
    idle_links();
}

/// The larger number of links.
fn many() -> u64 {
    if is_measured() { 10_000 } else { 200 }
}

/// A broker with links that have aliases, and who answers for its store.
struct World {
    platform: Platform,
    now: Instant,
    /// Its links have the ids from 1, each with the alias of that number.
    links: u64,
    members: Vec<Text>,
    last: Vec<MessageId>,
    writing: Writing,
    /// The lines of what was sent since somebody looked.
    lines: Vec<u8>,
    /// What was delivered and will be acknowledged.
    unacked: Vec<(LinkId, Mid)>,
    delivered: usize,
}

/// What is done with a message that is to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Nothing,
    /// As a driver does: what is the same for all receivers is encoded once.
    Once,
    Each,
    /// It is only noted for its acknowledgement.
    Noted,
}

fn config() -> Config {
    let mut config = Config::new(NodeId(1), "192.0.2.1");
    let without_end = Rate::new(1_000_000, 1_000_000_000);
    config.frame_rate = without_end;
    config.address_rate = without_end;
    config.publish_rate = without_end;
    config
}

fn alias(link: u64) -> Text {
    Text::from(format!("m_{link}"))
}

fn peer(link: u64) -> Peer {
    let [_, _, high, low, ..] = (u32::try_from(link).unwrap()).to_be_bytes();
    Peer::new(Transport::Tcp, IpAddr::V4(Ipv4Addr::new(192, 0, high, low)))
}

impl World {
    fn new(links: u64) -> Self {
        let mut world = Self {
            platform: Platform::new(config()),
            now: Instant::now(),
            links,
            members: (1..=links).map(alias).collect(),
            last: vec![MessageId::default(); usize::try_from(links).unwrap() + 1],
            writing: Writing::Nothing,
            lines: Vec::new(),
            unacked: Vec::new(),
            delivered: 0,
        };
        world.input(Input::Connected(PUBLISHER, peer(0)));
        for link in 1..=links {
            world.input(Input::Connected(LinkId(link), peer(link)));
            world.says(LinkId(link), Message::Connect(Connect::new(alias(link))));
        }
        world
    }

    fn writing(links: u64, writing: Writing) -> Self {
        let mut world = Self::new(links);
        world.writing = writing;
        world
    }

    fn says(&mut self, link: LinkId, message: Message) {
        self.input(Input::Received(link, AT, message));
    }

    fn input(&mut self, input: Input) {
        self.platform.handle_input(self.now, input);
        while let Some(output) = self.platform.poll_output() {
            match output {
                Output::Deliver(link, parcel) => self.send(link, &parcel),
                Output::Store(seq, op) => self.answer(seq, op),
                _ => {}
            }
        }
    }

    fn answer(&mut self, seq: Seq, op: StoreOp) {
        let owner = Some(Owner::new(NodeId(1), Transport::Tcp));
        let reply = match op {
            StoreOp::Claim { .. } => StoreReply::Claimed {
                epoch: 1,
                previous: None,
                gap: 0,
            },
            StoreOp::Load { .. } => StoreReply::Loaded {
                entries: Vec::new(),
                last: MessageId::default(),
                epoch: 1,
                at: AT,
            },
            StoreOp::Append { alias, .. } => {
                let link = alias.as_str()[2..].parse().unwrap();
                StoreReply::Appended(self.append(link, owner))
            }
            StoreOp::AppendTopic { .. } => {
                let members = (1..=usize::try_from(self.links).unwrap())
                    .map(|link| (self.members[link - 1].clone(), self.append(link, owner)))
                    .collect();
                StoreReply::Fanned {
                    members,
                    is_last: true,
                }
            }
            StoreOp::Members { .. } => StoreReply::Members(self.members.clone()),
            _ => StoreReply::Done,
        };
        self.platform
            .handle_input(self.now, Input::Stored(seq, reply));
    }

    fn append(&mut self, link: usize, owner: Option<Owner>) -> Appended {
        let prev = self.last[link];
        self.last[link] = MessageId::next(prev, AT);
        Appended::new(self.last[link], prev, owner, 0)
    }

    fn send(&mut self, link: LinkId, parcel: &Parcel) {
        self.delivered += 1;
        match self.writing {
            Writing::Nothing => {
                black_box(parcel);
            }
            Writing::Noted => self.unacked.push((link, parcel.mid().to_mid())),
            Writing::Each => parcel.to_message().encode_line(&mut self.lines),
            Writing::Once => parcel.encode_line(&mut self.lines),
        }
    }

    /// Everybody acknowledges what was delivered.
    fn ack(&mut self) {
        let mut unacked = std::mem::take(&mut self.unacked);
        for (link, mid) in unacked.drain(..) {
            let alias = self.members[usize::try_from(link.0 - 1).unwrap()].clone();
            self.says(link, Message::Ack(Ack::new(alias, mid)));
        }
        self.unacked = unacked;
    }
}

fn body() -> Json {
    Json::text(&"x".repeat(BODY - 2))
}

fn to_alias() -> Message {
    let aliases = ["m_1"].into_iter().collect();
    Message::Publish(Publish::to_aliases(aliases, body(), Num::new("1")))
}

fn to_topic(ttl: u64) -> Message {
    let topics = ["c_1"].into_iter().collect();
    let mut publish = Publish::to_topics(topics, body(), Num::new("1"));
    publish.ttl = Some(Ttl::seconds(ttl));
    Message::Publish(publish)
}

fn one_to_one() {
    let mut kept = World::writing(1, Writing::Noted);
    let mut direct = World::new(1);
    let publish = to_alias();
    let mut online_only = to_alias();
    if let Message::Publish(publish) = &mut online_only {
        publish.ttl = Some(Ttl::ONLINE_ONLY);
    }
    Group::new("zzw core: publish to one alias that is online")
        .items(1)
        .case("kept: deliver, -6, ack, told", || {
            kept.says(PUBLISHER, publish.clone());
            kept.ack();
        })
        .case("online only: deliver, -6", || {
            direct.says(PUBLISHER, online_only.clone());
        })
        .run();
    assert!(kept.delivered > 0 && direct.delivered > 0);
}

fn fan_out(links: u64) {
    let mut direct = World::new(links);
    let mut kept = World::writing(links, Writing::Noted);
    let mut once = World::writing(links, Writing::Once);
    let mut each = World::writing(links, Writing::Each);
    let (publish, online_only) = (to_topic(600), to_topic(0));
    let written = |world: &mut World| {
        world.lines.clear();
        world.says(PUBLISHER, online_only.clone());
        world.lines.len()
    };
    assert_eq!(written(&mut once), written(&mut each), "the same lines");
    Group::new(format!("zzw core: publish to a topic of {links} links"))
        .items(usize::try_from(links).unwrap())
        .case("online only: deliver", || {
            direct.says(PUBLISHER, online_only.clone());
        })
        .case("online only, lines, encoded once", || written(&mut once))
        .case("online only, lines, encoded each", || written(&mut each))
        .case("kept: deliver, ack, told", || {
            kept.says(PUBLISHER, publish.clone());
            kept.ack();
        })
        .against(
            "online only, lines, encoded once",
            "online only, lines, encoded each",
        )
        .run();
}

fn heartbeats() {
    let links = many();
    let mut world = World::new(links);
    let beat = Message::Heartbeat(Heartbeat::default());
    let mut next = 0;
    Group::new(format!("zzw core: heartbeats of {links} links"))
        .items(1)
        .case("heartbeat, reply", || {
            next = next % links + 1;
            world.says(LinkId(next), beat.clone());
        })
        .run();
}

/// What one delivery costs as links become more: the goal is 1.5 times from 100 to 5,000.
fn growth() {
    println!("## zzw core: cost of one delivery as links become more\n");
    println!(
        "{:<10} {:>18} {:>18}",
        "links", "online only, ns", "kept + ack, ns"
    );
    for links in [100, 1_000, 5_000, 10_000] {
        if !is_measured() && links > 1_000 {
            break;
        }
        let mut world = World::new(links);
        let (online_only, kept) = (to_topic(0), to_topic(600));
        let direct = per_item(links, || world.says(PUBLISHER, online_only.clone()));
        world.writing = Writing::Noted;
        let stored = per_item(links, || {
            world.says(PUBLISHER, kept.clone());
            world.ack();
        });
        println!("{links:<10} {direct:>18.1} {stored:>18.1}");
    }
    println!();
}

/// CPU time of one of `items` in nanoseconds, median of some calls.
fn per_item(items: u64, mut call: impl FnMut()) -> f64 {
    let rounds = if is_measured() {
        200_000 / items + 5
    } else {
        1
    };
    call();
    benches::median((0..rounds).map(|_| {
        let start = cpu_time::ThreadTime::now();
        call();
        start.elapsed().as_secs_f64() * 1e9 / items as f64
    }))
}

fn idle_links() {
    let links = many();
    let each = |bytes: usize| bytes as f64 / links as f64;
    let (mut world, unbound) = held_bytes(|| {
        let mut platform = Platform::new(config());
        let now = Instant::now();
        for link in 1..=links {
            platform.handle_input(now, Input::Connected(LinkId(link), peer(link)));
        }
        while platform.poll_output().is_some() {}
        platform
    });
    world.handle_timeout(Instant::now() + Duration::from_secs(1));
    drop(world);
    // The stand-in's own share is taken off.
    let (_, stand_in) = held_bytes(|| {
        let members: Vec<Text> = (1..=links).map(alias).collect();
        (
            members,
            vec![MessageId::default(); usize::try_from(links).unwrap() + 1],
        )
    });
    let (world, bound) = held_bytes(|| World::new(links));
    drop(world);
    let (world, registered) = held_bytes(|| {
        let mut world = World::new(links);
        for link in 1..=links {
            let topics = ["c_1"].into_iter().collect();
            let register = Register::new(topics, Num::new("1"));
            world.says(LinkId(link), Message::Register(register));
            world.says(LinkId(link), Message::Heartbeat(Heartbeat::default()));
        }
        world
    });
    black_box(&world);
    println!("## zzw core: bytes of an idle link, of {links}\n");
    println!("unbound                  {:>8.0}", each(unbound));
    println!("with an alias            {:>8.0}", each(bound - stand_in));
    println!(
        "registered, has beaten   {:>8.0}",
        each(registered - stand_in)
    );
}
