//! The program around a receiver.

use super::{ReceiverHandle, ReceiverOptions, line, spawn_receiver};
use crate::cli::told_to_end;
use face_record_push::platform::Event;
use std::io::{self, Write as _};
use std::pin::pin;

/// Runs a receiver until the user ends it. Records go to standard output, a line each; everything
/// else to standard error.
///
/// # Errors
///
/// If database or port cannot be had, or nobody reads any more.
pub async fn run(options: ReceiverOptions, as_json: bool) -> io::Result<()> {
    let scheme = if options.tls.is_some() {
        "https"
    } else {
        "http"
    };
    // A path that was given is a secret.
    let path = match &*options.config.paths {
        [] => "/Record",
        _ => ", at the paths that were given",
    };
    let records = options.records.clone();
    let ended = told_to_end();
    let mut receiver = spawn_receiver(options).await?;
    eprintln!("listening {scheme}://{}{path}", receiver.address());
    eprintln!(
        "keeping records in {}, pictures in {}",
        records.path.display(),
        records.pictures.display()
    );
    let told = tell(&mut receiver, ended, as_json).await;
    let control = receiver.control();
    receiver.stop().await;
    let counters = control.counters();
    eprintln!(
        "counters: requests={} kept={} known={} quarantined={} heartbeats={} refused={} \
         deferred={} store_failed={} disconnected={}",
        counters.requests,
        counters.kept,
        counters.known,
        counters.quarantined,
        counters.heartbeats,
        counters.refused,
        counters.deferred,
        counters.store_failed,
        counters.disconnected
    );
    told
}

async fn tell(
    receiver: &mut ReceiverHandle,
    ended: impl Future<Output = ()>,
    as_json: bool,
) -> io::Result<()> {
    let mut ended = pin!(ended);
    let mut is_ending = false;
    let mut out = Vec::new();
    loop {
        let event = tokio::select! {
            event = receiver.next() => event,
            () = &mut ended, if !is_ending => {
                is_ending = true;
                receiver.close();
                continue;
            }
        };
        match event {
            None => return Ok(()),
            Some(Event::Kept(entry)) => {
                out.clear();
                if as_json {
                    line::push_line(&entry, &mut out);
                } else {
                    out.extend_from_slice(line::words(&entry).as_bytes());
                    out.push(b'\n');
                }
                let mut stdout = io::stdout().lock();
                stdout.write_all(&out)?;
                stdout.flush()?;
            }
            Some(Event::StoreFailed(error)) => {
                let trouble = receiver.control().trouble();
                eprintln!("{}", line::store_failed(error, &trouble));
            }
            Some(event) => {
                if let Some(news) = line::news(&event) {
                    eprintln!("{news}");
                }
            }
        }
    }
}
