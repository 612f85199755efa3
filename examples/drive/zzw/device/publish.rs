//! Publishing from a command line: one message, or a line of standard input each.

use super::dial::call_rest;
use super::line::{self, Stream};
use super::print::{Printer, input};
use super::program::name;
use super::session::Session;
use super::{CommandError, DeviceNews};
use crate::cli::told_to_end;
use crate::http::Client;
use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zzw_push_proto::device::Answer;
use zzw_push_proto::rest::{Post, RestCall};
use zzw_push_proto::wire::{Json, Lenience, Num, Publish, Text, Token, Ttl};

/// What to publish, and to whom.
#[derive(Debug, clap::Args)]
pub(super) struct PublishArgs {
    /// To this alias; repeatable
    #[arg(long = "to", value_name = "ALIAS", value_parser = name, conflicts_with = "topics", required_unless_present = "topics")]
    aliases: Vec<Text>,
    /// To everybody in this topic; repeatable
    #[arg(long = "channel", value_name = "TOPIC", value_parser = name)]
    topics: Vec<Text>,
    /// Keep it so many seconds for who is offline; 0 is not at all [default: the server's, 3 days]
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// The message is JSON, not text
    #[arg(long)]
    json: bool,
    /// How many may wait for their answers; over --rest more than 1 may change their order
    /// [default: 16, over --rest 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    window: Option<u8>,
    /// At most so many a second [default: as fast as answers come]
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// The message; - is a message from each line of standard input
    #[arg(value_name = "MESSAGE")]
    message: String,
}

/// The messages, one after the other, numbered from 1.
struct Messages {
    args: PublishArgs,
    source: Source,
    last_num: u64,
    next_at: Option<Instant>,
}

enum Source {
    One(String),
    Lines(mpsc::Receiver<io::Result<String>>),
    Over,
}

/// How messages get to the server.
enum Way {
    Link(Box<Session>),
    Rest(Box<Rest>),
}

struct Rest {
    client: Client,
    url: String,
    token: Token,
    printer: Printer,
}

type Outcome = (u64, Result<Answer, CommandError>);

/// Messages whose answers have not been printed, in their order.
#[derive(Default)]
struct Waiting(VecDeque<(u64, JoinHandle<Result<Answer, CommandError>>)>);

/// Publishes over a link.
pub(super) async fn over_link(args: PublishArgs, session: Session) -> io::Result<()> {
    let window = args.window.unwrap_or(16);
    run(args, window, Way::Link(Box::new(session))).await
}

/// Publishes over REST.
pub(super) async fn over_rest(args: PublishArgs, (url, token): (String, Token)) -> io::Result<()> {
    let window = args.window.unwrap_or(1);
    let rest = Rest {
        client: Client::default(),
        url,
        token,
        printer: Printer::new(Text::default()),
    };
    run(args, window, Way::Rest(Box::new(rest))).await
}

/// Publishes everything, and prints a line for each answer, in the order of the messages.
async fn run(args: PublishArgs, window: u8, mut way: Way) -> io::Result<()> {
    let mut ended = pin!(told_to_end());
    let mut messages = Messages::new(args);
    let mut waiting = Waiting::default();
    let mut failed = 0_u64;
    while !(messages.is_over() && waiting.0.is_empty()) {
        let has_room = waiting.0.len() < usize::from(window);
        let outcome = tokio::select! {
            news = way.next() => {
                way.hear(news)?;
                continue;
            }
            outcome = waiting.next() => outcome?,
            message = messages.next(), if has_room && !messages.is_over() => match message? {
                None => continue,
                Some((num, Ok(publish))) => {
                    way.publish(num, publish, &mut waiting);
                    continue;
                }
                Some((num, Err(error))) => (num, Err(error)),
            },
            () = &mut ended, if !messages.is_over() => {
                messages.source = Source::Over;
                continue;
            }
        };
        failed += u64::from(outcome.1.is_err());
        print(way.printer(), outcome)?;
    }
    way.end().await;
    if failed > 0 {
        let text = format!("{failed} of {} messages were not taken", messages.last_num);
        return Err(io::Error::other(text));
    }
    Ok(())
}

fn print(printer: &mut Printer, (num, outcome): Outcome) -> io::Result<()> {
    match outcome {
        Ok(answer) => line::push_answer(Some(num), &answer, printer.blank()),
        Err(error) => line::push_failure(Some(num), &error, printer.blank()),
    }
    printer.flush(Stream::Out)
}

impl Messages {
    fn new(args: PublishArgs) -> Self {
        let source = match &*args.message {
            "-" => Source::Lines(input()),
            message => Source::One(message.to_owned()),
        };
        Self {
            args,
            source,
            last_num: 0,
            next_at: None,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.source, Source::Over)
    }

    /// The next one when it is due. Safe to cancel.
    async fn next(&mut self) -> io::Result<Option<(u64, Result<Publish, CommandError>)>> {
        if let Some(at) = self.next_at {
            tokio::time::sleep_until(at).await;
        }
        let message = match &mut self.source {
            Source::Over => None,
            Source::One(message) => {
                let message = std::mem::take(message);
                self.source = Source::Over;
                Some(message)
            }
            Source::Lines(lines) => lines.recv().await.transpose()?,
        };
        let Some(message) = message else {
            self.source = Source::Over;
            return Ok(None);
        };
        if let Some(rate) = self.args.rate {
            let from = self.next_at.unwrap_or_else(Instant::now);
            self.next_at = Some(from + Duration::from_secs_f64(1.0 / rate));
        }
        self.last_num += 1;
        Ok(Some((self.last_num, self.publish(&message))))
    }

    fn publish(&self, message: &str) -> Result<Publish, CommandError> {
        let msg = if self.args.json {
            let wrong = |error| CommandError::Refused(format!("not JSON: {error}"));
            Json::parse(message.to_owned()).map_err(wrong)?
        } else {
            Json::text(message)
        };
        let num = Num::new(self.last_num.to_string());
        let mut publish = if self.args.aliases.is_empty() {
            Publish::to_topics(self.args.topics.iter().collect(), msg, num)
        } else {
            Publish::to_aliases(self.args.aliases.iter().collect(), msg, num)
        };
        publish.ttl = self.args.ttl.map(Ttl::seconds);
        Ok(publish)
    }
}

impl Way {
    fn publish(&self, num: u64, publish: Publish, Waiting(waiting): &mut Waiting) {
        match self {
            Self::Link(session) => {
                // It goes out in the order in which it is given, whoever waits for what first.
                let outcome = session.control.publish(publish);
                waiting.push_back((num, tokio::spawn(outcome)));
            }
            Self::Rest(rest) => {
                let (client, token) = (rest.client.clone(), rest.token.clone());
                let url = rest.url.clone();
                let mut body = Vec::new();
                Post::encode(&publish, &mut body);
                let answer = tokio::spawn(async move {
                    let call = RestCall::Push;
                    let reply = call_rest(&client, &url, &token, call, body, Lenience::Vendor);
                    let answer = reply.await.map(|_| Answer::Published);
                    answer.map_err(CommandError::Refused)
                });
                waiting.push_back((num, answer));
            }
        }
    }

    async fn next(&mut self) -> Option<DeviceNews> {
        match self {
            Self::Link(session) => session.device.next().await,
            Self::Rest(_) => std::future::pending().await,
        }
    }

    fn hear(&mut self, news: Option<DeviceNews>) -> io::Result<()> {
        match self {
            Self::Link(session) => session.hear(news),
            Self::Rest(_) => Ok(()),
        }
    }

    fn printer(&mut self) -> &mut Printer {
        match self {
            Self::Link(session) => session.printer(),
            Self::Rest(rest) => &mut rest.printer,
        }
    }

    async fn end(self) {
        if let Self::Link(session) = self {
            session.device.stop().await;
        }
    }
}

impl Waiting {
    /// The outcome of the first one; never, if none waits. Safe to cancel.
    async fn next(&mut self) -> io::Result<Outcome> {
        let Some((num, outcome)) = self.0.front_mut() else {
            return std::future::pending().await;
        };
        let (num, outcome) = (*num, outcome.await.map_err(io::Error::other)?);
        self.0.pop_front();
        Ok((num, outcome))
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok();
    let fits = |rate: &f64| (0.01..=1_000_000.0).contains(rate);
    rate.filter(fits)
        .ok_or("messages a second, from 0.01 to 1000000")
}
