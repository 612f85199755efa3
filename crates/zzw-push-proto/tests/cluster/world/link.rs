//! Links, and what goes over them.

use super::{Happening, World};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use testkit::Pipe;
use zzw_push_proto::platform::{Input, LinkId, MessageId, Peer, Transport, UnixMillis};
use zzw_push_proto::wire::{Connect, Message, Text};

/// A link between a device and a node.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) phone: usize,
    pub(super) node: usize,
    pub(super) process: u64,
    /// The node has it.
    pub(super) is_at_node: bool,
    /// Nothing comes through any more.
    pub(super) is_cut: bool,
    /// Somebody keeps it alive though the device has another one.
    pub(super) is_ghost: bool,
    /// It is one of Socket.IO, whose handshake states the alias.
    pub(super) is_handshake: bool,
    up: Pipe,
    down: Pipe,
    /// Whose it is, by the store.
    pub(super) epoch: Option<u64>,
    /// The lease of its node had ended, and the store was not asked since whose the alias is.
    pub(super) is_doubtful: bool,
    /// Kept messages that were sent.
    pub(super) sent: BTreeSet<MessageId>,
    /// Pulls that were not answered, by number.
    pub(super) pulls: BTreeMap<Text, u32>,
    /// Letters whose publication was not answered.
    pub(super) asked: BTreeMap<Text, usize>,
}

/// What a node says over a link.
#[derive(Debug)]
pub(super) enum Frame {
    /// A letter by its number.
    Delivery(MessageId, usize),
    /// What a pull by that number has brought.
    Batch(u64, Vec<(MessageId, usize)>),
    Said(Arc<Message>),
    /// The node has hung up.
    End,
}

impl Link {
    pub(super) fn new(phone: usize, node: usize, process: u64, is_handshake: bool) -> Self {
        Self {
            phone,
            node,
            process,
            is_at_node: false,
            is_cut: false,
            is_ghost: false,
            is_handshake,
            up: Pipe::default(),
            down: Pipe::default(),
            epoch: None,
            is_doubtful: false,
            sent: BTreeSet::new(),
            pulls: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }
}

pub(super) fn id_of(link: usize) -> LinkId {
    LinkId(link as u64)
}

impl World {
    /// The place of a link that the node has.
    pub(super) fn open_link(&self, node: usize, id: LinkId) -> Result<usize, String> {
        let nth = usize::try_from(id.0).unwrap();
        let link = self.links.get(nth);
        let process = self.nodes[node].process;
        match link.filter(|link| link.process == process && link.is_at_node) {
            Some(_) => Ok(nth),
            None => Err(format!("{id:?} is over, and is told something")),
        }
    }

    /// The link reaches the node.
    pub(super) fn link_up(&mut self, nth: usize) -> Result<(), String> {
        let link = &mut self.links[nth];
        let (node, process, phone) = (link.node, link.process, link.phone);
        if self.nodes[node].platform.is_none() || self.nodes[node].process != process {
            self.put_down(nth, Frame::End);
            return Ok(());
        }
        link.is_at_node = true;
        let alias = self.ledger.accounts[phone].alias.clone();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let peer = if link.is_handshake {
            Peer::new(Transport::SocketIo, address).with_alias(alias)
        } else {
            self.put_up(nth, Message::Connect(Connect::new(alias)));
            Peer::new(Transport::Tcp, address)
        };
        self.tell(node, Input::Connected(id_of(nth), peer))
    }

    /// A device says something.
    pub(super) fn put_up(&mut self, nth: usize, message: Message) {
        let delay = self.chance.millis(0..=self.plan.latency);
        let at = self.links[nth].up.arrival(self.schedule.now(), delay);
        self.schedule.at(at, Happening::Up(nth, Box::new(message)));
    }

    /// A node says something.
    pub(super) fn put_down(&mut self, nth: usize, frame: Frame) {
        let delay = self.chance.millis(0..=self.plan.latency);
        let at = self.links[nth].down.arrival(self.schedule.now(), delay);
        self.schedule.at(at, Happening::Down(nth, frame));
    }

    pub(super) fn frame_comes_up(&mut self, nth: usize, message: Message) -> Result<(), String> {
        let link = &mut self.links[nth];
        if !link.is_at_node || link.is_cut {
            return Ok(());
        }
        if let Message::Publish(publish) = &message {
            let num = Text::from(publish.num.as_str());
            let letter: usize = num.parse().unwrap();
            self.ledger.letters[letter].source = Some(nth);
            link.asked.insert(num, letter);
        }
        if let Message::Pull(pull) = &message {
            let num = Text::from(pull.num.as_str());
            *link.pulls.entry(num).or_default() += 1;
        }
        let (node, at) = (link.node, UnixMillis(0));
        self.tell(node, Input::Received(id_of(nth), at, message))
    }

    /// The node learns that a link is over, when it has done what was due before.
    pub(super) fn node_loses(&mut self, node: usize, id: LinkId) -> Result<(), String> {
        let now = self.schedule.now();
        if let Some(platform) = &mut self.nodes[node].platform {
            platform.handle_timeout(now);
        }
        self.settle_node(node)?;
        self.links[usize::try_from(id.0).unwrap()].is_at_node = false;
        Ok(())
    }

    pub(super) fn node_end_breaks(&mut self, nth: usize) -> Result<(), String> {
        let link = &self.links[nth];
        if !link.is_at_node {
            return Ok(());
        }
        let node = link.node;
        self.tell(node, Input::Disconnected(id_of(nth)))
    }
}
