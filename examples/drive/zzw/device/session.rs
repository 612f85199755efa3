//! A client that does one thing, and what it can do.

use super::dial::call_rest;
use super::line::{self, Stream};
use super::print::Printer;
use super::{CommandError, DeviceControl, DeviceHandle, DeviceNews, DeviceOptions, spawn_device};
use crate::http::Client;
use std::io;
use std::pin::pin;
use zzw_push_proto::device::{Answer, Event, LinkEnd};
use zzw_push_proto::rest::{RestCall, RestReply};
use zzw_push_proto::wire::{Door, Lenience, Text, Token};

/// A client that does one thing.
pub(super) struct Session {
    pub(super) device: DeviceHandle,
    pub(super) control: DeviceControl,
    printer: Printer,
    /// Whether the server has known us once: then a lost link is no reason to give up.
    was_bound: bool,
    /// What the server complained of last.
    complaint: Option<String>,
    /// Messages are what was asked for.
    acknowledges: bool,
    printed: u64,
}

/// Most rounds of a pull; far more than a server keeps for one alias.
const MAX_ROUNDS: usize = 100;

impl Session {
    pub(super) fn start(options: DeviceOptions) -> io::Result<Self> {
        let printer = Printer::new(options.config.alias.clone());
        let device = spawn_device(options)?;
        Ok(Self {
            control: device.control(),
            device,
            printer,
            was_bound: false,
            complaint: None,
            acknowledges: false,
            printed: 0,
        })
    }

    /// Takes news. Until the server has known us once, whatever is wrong is so for good.
    pub(super) fn hear(&mut self, news: Option<DeviceNews>) -> io::Result<()> {
        let Some(news) = news else {
            return Err(io::Error::other("another client has taken the alias"));
        };
        match &news {
            DeviceNews::Delivered { delivery, .. } if self.acknowledges => {
                self.printer.print(&news)?;
                self.printed += 1;
                drop(self.control.acknowledge(delivery.mid.clone()));
            }
            DeviceNews::Disconnected(why) if !self.was_bound => {
                return Err(io::Error::other(why.clone()));
            }
            DeviceNews::Machine(Event::LinkError(failure)) => {
                self.complaint = Some(failure.error.to_string());
                if !self.was_bound {
                    return Err(io::Error::other(format!(
                        "the server refuses: {}",
                        failure.error
                    )));
                }
            }
            DeviceNews::Machine(Event::Down(end)) if !self.was_bound => {
                return Err(io::Error::other(match end {
                    LinkEnd::Garbled => "what comes is no push server's; is this its port?",
                    _ => "the server does not take the alias in time; is this its port?",
                }));
            }
            DeviceNews::Machine(Event::Bound) => self.was_bound = true,
            DeviceNews::Connected(address) => self.printer.server.clone_from(address),
            DeviceNews::Disconnected(_) => self.printer.print(&news)?,
            // Messages that were not asked for stay with the server.
            _ => {}
        }
        Ok(())
    }

    /// Waits for the outcome of a command.
    async fn wait<T>(
        &mut self,
        outcome: impl Future<Output = Result<T, CommandError>>,
    ) -> io::Result<T> {
        let mut outcome = pin!(outcome);
        loop {
            tokio::select! {
                biased;
                news = self.device.next() => self.hear(news)?,
                outcome = &mut outcome => return outcome.map_err(io::Error::other),
            }
        }
    }

    /// Gives one command and prints its answer.
    pub(super) async fn answer<F>(
        mut self,
        command: impl FnOnce(&DeviceControl) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = Result<Answer, CommandError>>,
    {
        let outcome = command(&self.control);
        let answer = self.wait(outcome).await?;
        line::push_answer(None, &answer, self.printer.blank());
        self.printer.flush(Stream::Out)?;
        self.device.stop().await;
        Ok(())
    }

    /// Pulls until nothing waits any more, which says that everything is printed and acknowledged.
    pub(super) async fn pull(mut self) -> io::Result<()> {
        self.acknowledges = true;
        for _ in 0..MAX_ROUNDS {
            let outcome = self.control.pull();
            let Answer::Pulled {
                fresh,
                repeated,
                bare,
            } = self.wait(outcome).await?
            else {
                break;
            };
            for msg in bare.iter() {
                self.printed += 1;
                self.printer.bare(&msg)?;
            }
            if fresh + repeated + bare.len() == 0 {
                line::push_pulled(self.printed, self.printer.blank());
                self.printer.flush(Stream::Out)?;
                break;
            }
        }
        self.device.stop().await;
        Ok(())
    }

    /// Nothing answers the frame itself, but what answers the question behind it does so after it.
    pub(super) async fn open_door(mut self, door: Door) -> io::Result<()> {
        // Only a link that is bound takes it.
        while !self.was_bound {
            let news = self.device.next().await;
            self.hear(news)?;
        }
        let opened = self.control.open_door(door.clone());
        let behind = self.control.server_info();
        self.wait(opened).await?;
        self.wait(behind).await?;
        if let Some(complaint) = self.complaint {
            return Err(io::Error::other(format!("the server refuses: {complaint}")));
        }
        line::push_sent(&door, self.printer.blank());
        self.printer.flush(Stream::Out)?;
        self.device.stop().await;
        Ok(())
    }

    pub(super) fn printer(&mut self) -> &mut Printer {
        &mut self.printer
    }
}

/// Prints how somebody is.
pub(super) async fn status_over_rest(who: Text, (rest, token): (String, Token)) -> io::Result<()> {
    let call = RestCall::Status(who.clone());
    let client = Client::default();
    let reply = call_rest(&client, &rest, &token, call, Vec::new(), Lenience::Vendor);
    let RestReply::Status(mut status) = reply.await.map_err(io::Error::other)? else {
        return Err(io::Error::other(format!(
            "{rest} does not answer what was asked"
        )));
    };
    status.alias = Some(who.clone());
    let mut printer = Printer::new(who);
    line::push_answer(None, &Answer::Status(status), printer.blank());
    printer.flush(Stream::Out)
}
