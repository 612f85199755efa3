//! How long either end waits for its broker.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use crate::cli;
use analyst_proto::link::LinkConfig;
use std::time::Duration;

/// What may be changed of it. Shorter times suit a broker that is near and breaks often.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Patience with the broker")]
pub struct Patience {
    /// How long the broker may take to acknowledge a message before the connection is made anew
    #[arg(long, default_value = "20s", value_name = "TIME", value_parser = cli::duration)]
    ack_timeout: Duration,
    /// After three connections that broke within this time, there is none for as long
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = cli::duration)]
    steady_after: Duration,
}

impl Patience {
    /// Has a machine wait so long.
    pub fn apply(self, link: &mut LinkConfig) {
        (link.ack_timeout, link.steady_after) = (self.ack_timeout, self.steady_after);
    }
}
