//! An analyser: the machine, its connections, its store, and whatever recognises goods.

use super::journal::{Journal, Opened, Written};
use super::link::write;
use super::link::{Fact, Link};
use super::{MAX_PAYLOAD, OpenError, records};
use crate::clock::{now, sleep_until, unix_now};
use crate::http::{Call, Caller, Dialing, Reply, Site};
use crate::mqtt::News;
use crate::tls::{self, Trust};
use analyst_proto::codec::{self, Lenience};
use analyst_proto::device::{
    Config, Device, Event, Input, Outcome, Output, Reason, Recovered, Run,
};
use analyst_proto::link::{Down, ExchangeId, Publish};
use analyst_proto::sign::{Preset, SigningKey};
use analyst_proto::wire::{
    ConnectionInfo, ConnectionInfoRequest, GoodsId, InfoCall, InfoReply, Message, NoInfo,
    RequestForm, Secret, Start, Taken, TaskId,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What an analyser needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the server is.
    pub server: Site,
    /// Whose certificates are good for it and for the broker, over TLS.
    pub trust: Trust,
    /// The key that requests are signed with.
    pub secret: Secret,
    /// Where its tasks and results are kept.
    pub data: PathBuf,
    /// The machine's own settings, with its name.
    pub config: Config,
    /// What recognises goods.
    pub recognition: Recognition,
    /// Whether people are told on standard error what is not to be reached, and why.
    pub tells: bool,
}

/// What recognises goods on videos.
#[derive(Debug, Clone)]
pub enum Recognition {
    /// Nothing does: goods and failures are made up.
    StandIn {
        /// How long that takes.
        work: Duration,
        /// So many runs of one fail.
        fail: f64,
        /// So many runs of one never end.
        hang: f64,
    },
    /// This program, once for each run: the task comes as one line of JSON on its standard input, and
    /// its standard output is the result, `{"17":4}`. If it fails, its standard error says why.
    Hook(PathBuf),
}

/// How long the server may take to answer; the machine gives up sooner if it is told to.
const PATIENCE: Duration = Duration::from_secs(30);

/// An analyser at work.
struct Analyser {
    options: Options,
    device: Device,
    journal: Journal,
    link: Link,
    key: SigningKey,
    runs: BTreeMap<TaskId, (Run, JoinHandle<()>)>,
    seed: u64,
    to_us: mpsc::Sender<ToUs>,
}

/// What other tasks tell.
enum ToUs {
    Info(ExchangeId, Result<ConnectionInfo, NoInfo>),
    Ended(TaskId, Run, Outcome),
}

/// Works until `told_to_end` is, or its store fails. `tell` is told what happens.
///
/// # Errors
///
/// If its store cannot be opened, or has failed.
pub async fn run(
    options: Options,
    told_to_end: impl Future<Output = ()>,
    mut tell: impl FnMut(&Event),
) -> io::Result<()> {
    let broker_tls = tls::client(&options.trust, tls::UNNAMED).map_err(io::Error::other)?;
    let owner = format!("analyser {}", options.config.name);
    let opened = Journal::open(&options.data, &owner).map_err(refused)?;
    let Opened {
        journal,
        records,
        mut answers,
    } = opened;
    let kept: Result<Vec<_>, String> = records.iter().map(|it| records::to_analyser(it)).collect();
    let recovered = Recovered::new(kept.map_err(io::Error::other)?);
    let (to_us, mut told) = mpsc::channel(64);
    let (link, mut heard) = Link::new(broker_tls, options.tells);
    let mut analyser = Analyser {
        device: Device::new(now(), options.config.clone(), recovered),
        key: SigningKey::new(Preset::default(), &options.secret),
        seed: options.config.seed,
        options,
        journal,
        link,
        runs: BTreeMap::new(),
        to_us,
    };
    tokio::pin!(told_to_end);
    loop {
        if let Some(reason) = analyser.settle(&mut tell) {
            return match reason {
                Reason::Local => Ok(()),
                _ => Err(io::Error::other(
                    "the store has failed for too long: mend what it said above, then start again",
                )),
            };
        }
        tokio::select! {
            () = &mut told_to_end => analyser.device.close(now()),
            Some(news) = heard.recv() => analyser.hear(news),
            Some(told) = told.recv() => analyser.learn(told),
            Some(written) = answers.recv() => analyser.written(written),
            () = sleep_until(analyser.device.poll_timeout()) => {
                analyser.device.handle_timeout(now());
            }
        }
    }
}

fn refused(error: OpenError) -> io::Error {
    io::Error::other(error)
}

impl Analyser {
    /// Does what the machine asks for. Says why it has ended, if it has.
    fn settle(&mut self, tell: &mut impl FnMut(&Event)) -> Option<Reason> {
        let mut ended = None;
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::Fetch(exchange) => self.fetch(exchange),
                Output::Open(login) => self.link.open(&login),
                Output::Subscribe(topic) => {
                    let is_up = self.link.subscribe(&topic);
                    self.note_unless(is_up);
                }
                Output::Send(publish) => self.publish(&publish),
                Output::Ack(delivery) => {
                    let is_up = self.link.acknowledge(delivery);
                    self.note_unless(is_up);
                }
                Output::Hangup => self.link.hang_up(),
                Output::Store(seq, op) => self.journal.ask(seq, records::of_analyser(&op)),
                Output::Event(event) => {
                    tell(&event);
                    match event {
                        Event::Work { id, run, task } => self.work(id, run, task),
                        Event::Cancel { id, run } => self.stop(id, run),
                        Event::Closed(reason) => ended = Some(reason),
                        _ => {}
                    }
                }
                Output::Disconnect => return ended,
                _ => {}
            }
        }
        None
    }

    /// Tells the machine that the connection is gone, unless it is up.
    fn note_unless(&mut self, is_up: bool) {
        if !is_up {
            let input = Input::Disconnected(Down::Lost);
            self.device.handle_input(now(), input);
        }
    }

    fn publish(&mut self, publish: &Publish) {
        if let Err(why) = self.link.publish(publish) {
            let input = Input::SendFailed(publish.send, why);
            self.device.handle_input(now(), input);
        }
    }

    fn hear(&mut self, news: News) {
        let input = match self.link.hear(news) {
            None => return,
            Some(Fact::Connected) => Input::Connected,
            Some(Fact::Disconnected(why)) => Input::Disconnected(why),
            Some(Fact::Received(incoming)) => Input::Received(incoming),
            Some(Fact::Garbled(delivery, kind)) => Input::Garbled(delivery, kind),
            Some(Fact::Sent(send)) => Input::Sent(send),
        };
        self.device.handle_input(now(), input);
    }

    fn learn(&mut self, told: ToUs) {
        match told {
            ToUs::Info(exchange, reply) => {
                self.device
                    .handle_input(now(), Input::Info(exchange, reply));
            }
            ToUs::Ended(id, run, outcome) => {
                let is_current = |(current, _): &(Run, _)| *current == run;
                if self.runs.get(&id).is_some_and(is_current) {
                    self.runs.remove(&id);
                    // It was cancelled meanwhile if this is refused.
                    let _ = self.device.complete(now(), id, run, outcome);
                }
            }
        }
    }

    fn written(&mut self, (seq, outcome): Written) {
        let input = match outcome {
            Ok(()) => Input::Stored(seq),
            Err(why) => {
                eprintln!("not stored: {why}");
                Input::StoreFailed(seq)
            }
        };
        self.device.handle_input(now(), input);
    }

    /// Asks the server where the broker is.
    fn fetch(&self, exchange: ExchangeId) {
        let at = analyst_proto::wire::UnixMillis(unix_now().0);
        let request = ConnectionInfoRequest::new(self.options.config.name.clone(), at);
        let call = request.map(|request| request.signed(&self.key).call(RequestForm::Query));
        let (server, trust) = (self.options.server.clone(), self.options.trust.clone());
        let (to_us, tells) = (self.to_us.clone(), self.options.tells);
        tokio::spawn(async move {
            let answer = match call {
                Ok(call) => ask(&server, trust, call).await,
                Err(error) => Err(error.to_string()),
            };
            let reply = match answer {
                Ok(reply) => understood(&reply),
                Err(why) => {
                    if tells {
                        eprintln!("cannot ask the server: {why}");
                    }
                    Err(NoInfo::Unreachable)
                }
            };
            let _ = to_us.send(ToUs::Info(exchange, reply)).await;
        });
    }

    fn work(&mut self, id: TaskId, run: Run, task: Arc<Start>) {
        let to_us = self.to_us.clone();
        let recognition = self.options.recognition.clone();
        let luck = luck(self.seed, id, run);
        let handle = tokio::spawn(async move {
            let outcome = recognition.recognise(&task, luck).await;
            let _ = to_us.send(ToUs::Ended(id, run, outcome)).await;
        });
        self.runs.insert(id, (run, handle));
    }

    fn stop(&mut self, id: TaskId, run: Run) {
        if let Some((_, handle)) = self.runs.remove(&id) {
            handle.abort();
        }
        self.device.stopped(now(), id, run);
    }
}

impl Drop for Analyser {
    fn drop(&mut self) {
        for (_, handle) in self.runs.values() {
            handle.abort();
        }
    }
}

/// One question to the server, or why there is no answer. Whom to trust is read each time:
/// certificates end.
async fn ask(server: &Site, trust: Trust, call: InfoCall) -> Result<Reply, String> {
    let dialing = Dialing {
        trust,
        ..Dialing::default()
    };
    let mut caller = Caller::new(dialing).map_err(|error| error.to_string())?;
    // As the document has them, with a body and without.
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/plain"),
    ];
    let body = Some(call.body.into()).filter(|body: &Bytes| !body.is_empty());
    let call = Call {
        method: call.method.to_owned(),
        path: format!("{}{}", server.path, call.target),
        headers: headers.map(|(name, value)| (name, value.to_owned())).into(),
        body: body.into_iter().collect(),
    };
    let reply = caller.exchange(&server.place, call, PATIENCE).await;
    reply.map_err(|error| error.to_string())
}

fn understood(reply: &Reply) -> Result<ConnectionInfo, NoInfo> {
    let decoded = InfoReply::decode(reply.status, &reply.body).map_err(NoInfo::Garbled)?;
    decoded.reply.into_info()
}

impl Recognition {
    async fn recognise(&self, task: &Start, luck: f64) -> Outcome {
        match self {
            Self::StandIn { work, fail, hang } => {
                if luck < *hang {
                    return std::future::pending().await;
                }
                tokio::time::sleep(*work).await;
                if luck < *hang + *fail {
                    return Outcome::Failed("made up: the video is too dark".into());
                }
                Outcome::Taken(made_up(task))
            }
            Self::Hook(program) => match hook(program, task).await {
                Ok(taken) => Outcome::Taken(taken),
                Err(why) => Outcome::Failed(why.into()),
            },
        }
    }
}

/// One of each of the first goods of the task, or of goods 17 if it names none.
fn made_up(task: &Start) -> Taken {
    let first = task.goods_ids.floors().flat_map(|(_, goods)| goods.take(1));
    let taken: Taken = first.take(3).map(|goods| (goods, 1)).collect();
    if taken.is_empty() {
        return vec![(GoodsId(17), 4)];
    }
    taken
}

/// Runs a user's program for a task.
async fn hook(program: &std::path::Path, task: &Start) -> Result<Taken, String> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut line = write(&Message::Start(task.clone()));
    line.push(b'\n');
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program that does not read it has its reasons.
            let _ = stdin.write_all(&line).await;
        }
    };
    // All at once: a program may print before it has read.
    let ((), result, said) = tokio::join!(feed, read_some(stdout), read_some(stderr));
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if !status.success() {
        let last = said.lines().next_back().unwrap_or("the program failed");
        return Err(last.to_owned());
    }
    let message = format!(
        r#"{{"action":"ANALYSIS_FINISH","data":{{"id":{},"RESULT":{result}}}}}"#,
        task.id
    );
    match codec::decode(&message.into(), &Lenience::field()) {
        Ok(Message::Finish(finish)) => Ok(finish.taken),
        _ => Err(format!("{} printed no result", program.display())),
    }
}

/// What a program prints, as far as a message has room for it. If it prints more, its pipe breaks.
async fn read_some(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut printed = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before a failure is what there is.
        let _ = pipe
            .take(MAX_PAYLOAD as u64)
            .read_to_end(&mut printed)
            .await;
    }
    String::from_utf8_lossy(&printed).into_owned()
}

/// A number from 0 to 1 that a run always gets.
fn luck(seed: u64, id: TaskId, run: Run) -> f64 {
    let mut z = seed ^ id.0.rotate_left(17) ^ u64::from(run.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let high = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0);
    f64::from(high) / f64::from(u32::MAX)
}
