//! Requests that are carried out together: what they ask of Redis goes out in one pipeline, round by
//! round.

use super::reply::Trouble;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, Value};
use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// Gathers commands, and hands replies out.
#[derive(Default)]
pub(super) struct Lane {
    round: RefCell<Round>,
}

#[derive(Default)]
struct Round {
    number: u64,
    commands: Pipeline,
    /// Replies to the round before this; none if it was lost.
    replies: Vec<Value>,
    is_lost: bool,
    /// Commands sent in all.
    sent: u64,
}

/// Waits for the replies to some commands.
struct Call<'l> {
    lane: &'l Lane,
    number: u64,
    first: usize,
    count: usize,
}

impl Lane {
    /// Asks for something in this round, in the order in which it is called.
    pub(super) fn call(
        &self,
        commands: impl IntoIterator<Item = Cmd>,
    ) -> impl Future<Output = Result<Vec<Value>, Trouble>> {
        let mut round = self.round.borrow_mut();
        let first = round.commands.len();
        for command in commands {
            round.commands.add_command(command);
        }
        Call {
            lane: self,
            number: round.number,
            first,
            count: round.commands.len() - first,
        }
    }

    /// Lets all of them go on, in order, until they are done.
    pub(super) async fn run<T>(
        &self,
        connection: &mut impl ConnectionLike,
        requests: Vec<impl Future<Output = T>>,
    ) -> Vec<T> {
        let mut done: Vec<Option<T>> = requests.iter().map(|_| None).collect();
        let mut requests: Vec<_> = requests.into_iter().map(Box::pin).collect();
        loop {
            let mut is_waiting = false;
            for (request, done) in requests.iter_mut().zip(&mut done) {
                if done.is_none() {
                    *done = poll_once(request.as_mut());
                    is_waiting |= done.is_none();
                }
            }
            if !is_waiting {
                return done.into_iter().flatten().collect();
            }
            self.send(connection).await;
        }
    }

    /// True if Redis has not answered: what it has done is not known.
    pub(super) fn is_lost(&self) -> bool {
        self.round.borrow().is_lost
    }

    /// Commands sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.round.borrow().sent
    }

    async fn send(&self, connection: &mut impl ConnectionLike) {
        let (commands, is_lost) = {
            let mut round = self.round.borrow_mut();
            round.number += 1;
            round.sent += round.commands.len() as u64;
            (std::mem::take(&mut round.commands), round.is_lost)
        };
        // What follows something that may not have been done is not done.
        let replies = if is_lost || commands.is_empty() {
            Ok(Vec::new())
        } else {
            let count = commands.len();
            connection.req_packed_commands(&commands, 0, count).await
        };
        let mut round = self.round.borrow_mut();
        round.is_lost |= replies.is_err();
        round.replies = replies.unwrap_or_default();
    }
}

impl Future for Call<'_> {
    type Output = Result<Vec<Value>, Trouble>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let mut round = self.lane.round.borrow_mut();
        if self.count == 0 {
            return Poll::Ready(Ok(Vec::new()));
        }
        if round.number == self.number {
            return Poll::Pending;
        }
        if round.is_lost {
            return Poll::Ready(Err(Trouble::Lost));
        }
        let mine = round.replies.get_mut(self.first..self.first + self.count);
        let mine = mine.map(|mine| mine.iter_mut().map(std::mem::take).collect());
        Poll::Ready(mine.ok_or(Trouble::Lost))
    }
}

fn poll_once<F: Future>(request: Pin<&mut F>) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(request).poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
