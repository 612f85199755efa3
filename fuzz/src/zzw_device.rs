//! The device: operation lists, against its invariants.

use arbitrary::{Result, Unstructured};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};
use zzw_push_proto::device::{
    Ack, Binding, Cause, Config, Device, Event, Input, Output, Recovered, Replaced, RequestId, Seq,
    State,
};
use zzw_push_proto::wire::{
    Door, Json, Lenience, Message, MessageKind, Method, Mid, Num, Publish, Texts,
};

/// Whatever a server, a store and an application do to a device: each command ends once; no message
/// is reported twice, and none is acknowledged before it is safe; nothing is dialled, sent or asked
/// out of turn; a door is never opened later or twice; what is held is bounded; timers move on; once
/// all is well it is bound again; and closed is said once, before the last hang-up.
pub fn ops(data: &[u8]) {
    // A list that ends in the middle of an operation is as good as one that ends before it.
    let _ = run(&mut Unstructured::new(data));
}

struct World {
    device: Device,
    config: Config,
    now: Instant,
    is_dialled: bool,
    is_up: bool,
    is_bound: bool,
    is_closed: bool,
    open: BTreeSet<RequestId>,
    nums: BTreeMap<String, MessageKind>, // of this life
    last_num: String,
    told: HashSet<Mid>,
    safe: HashSet<Mid>, // may be acknowledged
    storing: Vec<(Seq, Mid)>,
    doors: usize, // that may still go out
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let now = Instant::now();
    let mut world = World {
        device: Device::new(config.clone(), Recovered::empty()),
        config,
        now,
        is_dialled: false,
        is_up: false,
        is_bound: false,
        is_closed: false,
        open: BTreeSet::new(),
        nums: BTreeMap::new(),
        last_num: String::new(),
        told: HashSet::new(),
        safe: HashSet::new(),
        storing: Vec::new(),
        doors: 0,
    };
    world.see();
    // Fewer than are remembered, so that none may be reported twice.
    for _ in 0..200 {
        if input.is_empty() {
            break;
        }
        let millis = *input.choose(&[0, 0, 0, 1, 900, 5_000, 31_000])?;
        world.wait(Duration::from_millis(millis));
        world.step(input)?;
        world.see();
        world.check();
    }
    world.heal();
    world.device.close(world.now);
    world.see();
    assert!(world.is_closed && world.device.is_closed());
    assert!(world.open.is_empty(), "a command has no end");
    assert_eq!(world.device.poll_timeout(), None);
    Ok(())
}

fn config(input: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::new("m_2", input.arbitrary()?);
    config.ack = *input.choose(&[Ack::Automatic, Ack::Manual, Ack::Stored])?;
    config.binding = *input.choose(&[Binding::Frame, Binding::Handshake])?;
    config.replaced = *input.choose(&[
        Replaced::After(Duration::from_secs(2)),
        Replaced::After(Duration::ZERO),
        Replaced::Close,
    ])?;
    config.topics = vec!["c_1".into()];
    (config.max_requests, config.max_topics) = (5, 6);
    (config.max_storing, config.max_garbled) = (4, 3);
    config.remembered = 4_096;
    Ok(config)
}

impl World {
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let now = self.now;
        match input.int_in_range(0..=27)? {
            0..=3 => self.connect(),
            4..=14 => self.receive(input)?,
            15 => {
                let cause = *input.choose(&[Cause::Broken, Cause::Unreachable])?;
                self.hang_up(cause);
            }
            16 | 17 => self.store(input)?,
            18 => {
                let mid = Mid::new(input.int_in_range(0..=9)?.to_string());
                let is_told = self.told.contains(&mid);
                match self.device.acknowledge(now, mid.clone()) {
                    Ok(()) => {
                        assert!(is_told && self.config.ack == Ack::Manual);
                        self.safe.insert(mid);
                    }
                    Err(_) => assert!(!is_told || self.config.ack != Ack::Manual || self.is_closed),
                }
            }
            19 => {
                let was_bound = self.device.state() == State::Bound;
                self.doors += 1;
                let taken = self.device.open_door(now, Door::new("r", "u"));
                if taken.is_err() {
                    self.doors -= 1;
                }
                assert!(was_bound || taken.is_err());
            }
            20 => {
                let topics = names(input)?;
                let id = self.device.register(now, topics).ok();
                self.asked(id);
            }
            21 => {
                let topics = names(input)?;
                let id = self.device.unregister(now, topics).ok();
                self.asked(id);
            }
            22 => {
                let id = self.device.topics(now).ok();
                self.asked(id);
            }
            23 => {
                let id = self.device.pull(now).ok();
                self.asked(id);
            }
            24 | 25 => {
                let mut publish = Publish::to_topics(names(input)?, Json::text("门"), Num::Absent);
                if input.arbitrary()? {
                    publish.method = Method::PublishToAlias;
                    publish.aliases = names(input)?;
                }
                let id = self.device.publish(now, publish).ok();
                self.asked(id);
            }
            26 => {
                let id = self.device.status(now, "m_3".into()).ok();
                self.asked(id);
            }
            _ => {
                let id = self.device.server_info(now).ok();
                self.asked(id);
            }
        }
        Ok(())
    }

    /// What a server may well say, and what nobody would.
    fn receive(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let num = match input.int_in_range(0..=3)? {
            0 => String::new(),
            1 => input.int_in_range(0..=2_000)?.to_string(),
            _ => self.last_num.clone(),
        };
        let mid = input.int_in_range(0..=9)?;
        let line = match input.int_in_range(0..=15)? {
            0 => r#"{"t":-14,"alias":"m_2","gap":2}"#.to_owned(),
            1 => r#"{"t":-1,"alias":"m_2"}"#.to_owned(),
            2..=4 => format!(r#"{{"t":5,"alias":"m_2","mid":"{mid}","msg":"x"}}"#),
            5 => format!(r#"{{"t":5,"mid":{mid},"msg":{{}},"topic":"c_1"}}"#),
            6 | 7 => format!(r#"{{"t":-4,"msg":["x",1,{{}}],"mid":["{mid}","3"],"num":"{num}"}}"#),
            8 => format!(r#"{{"t":-6,"num":"{num}"}}"#),
            9 => format!(r#"{{"t":-2,"num":"{num}"}}"#),
            10 => format!(r#"{{"t":-3,"num":"{num}","topic":[""]}}"#),
            11 => format!(r#"{{"t":0,"error":"参数不全","num":"{num}"}}"#),
            12 => r#"{"t":0,"error":"replaced"}"#.to_owned(),
            13 => r#"{"t":8,"r":"r","u":"u"}"#.to_owned(),
            14 => r#"{"channelSize":1,"One2OneSize":1}"#.to_owned(),
            _ => {
                let len = input.int_in_range(0..=40)?.min(input.len());
                String::from_utf8_lossy(input.bytes(len)?).into_owned()
            }
        };
        let heard = match Message::decode_from_server(line.into(), Lenience::Vendor) {
            Ok(decoded) => Input::Received(decoded.message),
            Err(error) => Input::Garbled(error),
        };
        self.device.handle_input(self.now, heard);
        Ok(())
    }

    fn store(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        if self.storing.is_empty() {
            // News of what nobody asked for.
            let seq = Seq(input.int_in_range(900..=1_000)?);
            self.device.handle_input(self.now, Input::Stored(seq));
            self.device.handle_input(self.now, Input::StoreFailed(seq));
            return Ok(());
        }
        let at = input.choose_index(self.storing.len())?;
        let (seq, mid) = self.storing.remove(at);
        let stored = input.ratio(3, 4)?;
        if stored {
            self.safe.insert(mid);
            self.device.handle_input(self.now, Input::Stored(seq));
        } else {
            self.device.handle_input(self.now, Input::StoreFailed(seq));
        }
        Ok(())
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.device.poll_timeout().filter(|&due| due <= end) {
            self.now = due.max(self.now);
            self.device.handle_timeout(self.now);
            let next = self.device.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timer spins");
            self.see();
        }
        self.now = end;
    }

    fn connect(&mut self) {
        if self.is_dialled && !self.is_up {
            self.is_up = true;
        }
        self.device.handle_input(self.now, Input::Connected);
    }

    fn hang_up(&mut self, cause: Cause) {
        (self.is_dialled, self.is_up, self.is_bound) = (false, false, false);
        self.doors = 0;
        self.device
            .handle_input(self.now, Input::Disconnected(cause));
        self.see();
    }

    fn asked(&mut self, id: Option<RequestId>) {
        let is_new = id.is_none_or(|id| self.open.insert(id));
        assert!(is_new && (id.is_none() || !self.is_closed));
    }

    fn see(&mut self) {
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::Connect => {
                    assert!(!self.is_dialled && !self.is_closed, "dialled twice");
                    self.is_dialled = true;
                }
                Output::Send(message) => self.sent(&message),
                Output::Event(event) => self.heard(event),
                Output::Store(seq, delivery) => {
                    assert!(self.config.ack == Ack::Stored && !self.safe.contains(&delivery.mid));
                    assert!(self.storing.iter().all(|(_, mid)| *mid != delivery.mid));
                    self.storing.push((seq, delivery.mid));
                }
                Output::Disconnect if self.is_closed => {
                    assert_eq!(self.device.poll_output(), None, "something follows the end");
                }
                Output::Disconnect => {
                    assert!(self.is_up);
                    self.hang_up(Cause::Local);
                }
                _ => {}
            }
        }
    }

    fn sent(&mut self, message: &Message) {
        assert!(self.is_up && !self.is_closed, "sent without a link");
        let binds = matches!(message, Message::Connect(_) | Message::Heartbeat(_));
        assert!(self.is_bound || binds, "sent too early");
        match message {
            Message::Ack(ack) => match self.config.ack {
                Ack::Automatic => assert!(self.told.contains(&ack.mid)),
                _ => assert!(self.safe.contains(&ack.mid), "acknowledged too early"),
            },
            Message::OpenDoor(_) => {
                self.doors = self.doors.checked_sub(1).expect("nobody asked for that");
            }
            _ => {}
        }
        if let (num, Some(kind)) = (message.num().as_str(), message.kind())
            && !num.is_empty()
        {
            let before = self.nums.insert(num.to_owned(), kind);
            let is_again = before == Some(MessageKind::Pull) && kind == MessageKind::Pull;
            assert!(before.is_none() || is_again, "a number twice");
            num.clone_into(&mut self.last_num);
        }
        // It is a message that the other side reads.
        let mut line = Vec::new();
        message.encode(&mut line);
        let is_read = Message::decode(line.into(), Lenience::Strict);
        let has_type = message.t().is_some();
        assert!(!has_type || is_read.is_ok_and(|read| read.message.kind() == message.kind()));
    }

    fn heard(&mut self, event: Event) {
        assert!(!self.is_closed, "something follows the end");
        match event {
            Event::Bound => self.is_bound = true,
            Event::Delivered(delivery) => {
                assert!(self.told.insert(delivery.mid), "reported twice");
            }
            Event::Answered(request, _)
            | Event::Failed { request, .. }
            | Event::TimedOut { request, .. } => {
                assert!(self.open.remove(&request), "ended twice");
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    fn check(&self) {
        assert!(self.device.waiting() <= 5 && self.device.storing() <= 4);
        assert!(self.device.subscriptions().len() <= 6);
        assert_eq!(self.device.waiting(), self.open.len());
        let is_waiting = self.is_dialled || self.device.poll_timeout().is_some();
        assert!(is_waiting || self.is_closed, "hangs");
    }

    /// A good server from now on.
    fn heal(&mut self) {
        for _ in 0..20 {
            if self.is_closed {
                return;
            }
            self.connect();
            self.see();
            let bound = Message::decode(r#"{"t":-14,"alias":"m_2"}"#.into(), Lenience::Strict);
            let bound = bound.expect("a message").message;
            self.device.handle_input(self.now, Input::Received(bound));
            self.see();
            self.wait(Duration::from_secs(10));
        }
        assert_eq!(self.device.state(), State::Bound);
        assert!(self.open.is_empty(), "a command has no end");
    }
}

fn names(input: &mut Unstructured<'_>) -> Result<Texts> {
    let mut names = Vec::new();
    for _ in 0..input.int_in_range(0..=3)? {
        names.push(*input.choose(&["c_1", "c_2", "门", "a/b", "", "c_3"])?);
    }
    Ok(names.iter().collect())
}
