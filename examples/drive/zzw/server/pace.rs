//! How fast a link is read: whoever says more than it may is kept waiting, and nothing is lost.

use crate::clock::now;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// So many messages in a second, as many at once after a pause.
#[derive(Debug)]
pub(super) struct Pace {
    /// What a message costs; none if any number may come.
    price: Option<Duration>,
    /// When all that has come is paid for, less the second that may be owed.
    paid: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

const CREDIT: Duration = Duration::from_secs(1);

impl Pace {
    /// 0 for any number.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            price: CREDIT.checked_div(per_second),
            paid: now(),
            pause: None,
        }
    }

    /// So many messages have come.
    pub(super) fn pay(&mut self, messages: usize) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        let Some(price) = self.price.filter(|_| messages > 0) else {
            return;
        };
        let now = now();
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        self.paid = self.paid.max(earliest) + price.saturating_mul(messages);
        if self.paid > now {
            let pause = tokio::time::sleep_until(self.paid.into());
            self.pause = Some(Box::pin(pause));
        }
    }

    /// Ready when the next may come.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        Poll::Ready(())
    }
}
