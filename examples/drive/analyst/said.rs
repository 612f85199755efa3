//! What happens at either end, in words for whoever watches it.

use analyst_proto::device::{self, Ignored};
use analyst_proto::link::{Down, HangUp};
use analyst_proto::platform::{self, Late};
use analyst_proto::wire::NoInfo;

/// What happened at an analyser.
pub fn by_analyser(event: &device::Event) -> String {
    use device::Event;
    match event {
        Event::Info {
            client_id,
            server_client_id,
            profile,
        } => format!(
            "the broker ({profile:?}) knows us as {client_id}, and the dispatcher as {server_client_id}"
        ),
        Event::Warning(warning) => format!("the server should know: {warning}"),
        Event::NotInformed(why) => format!(
            "the server does not say where the broker is: {}",
            no_info(why)
        ),
        Event::Up => up(),
        Event::Down(why) => down(*why),
        Event::HungUp(why) => hung_up(*why),
        Event::DuplicateIdSuspected => duplicate_id(),
        Event::Work { id, run, .. } => format!("task {id}: run {} begins", run.0),
        Event::Cancel { id, run } => format!("task {id}: run {} is cancelled", run.0),
        Event::Busy(id) => format!("task {id}: turned away, there is enough to do"),
        Event::StrayCancel(id) => format!("task {id}: cancelled, and not known"),
        Event::StaleCancel { id, run } => {
            format!(
                "task {id}: run {} goes on, a cancellation was meant for an earlier one",
                run.0
            )
        }
        Event::AmbiguousCancel => {
            "a cancellation does not say of which task: nothing is cancelled".into()
        }
        Event::Delivered { id, run } => format!("task {id}: what run {} found is delivered", run.0),
        Event::TooLarge { id, run } => {
            format!(
                "task {id}: what run {} found is larger than the broker takes; a failure goes in its place",
                run.0
            )
        }
        Event::Undeliverable { id, .. } => {
            format!(
                "task {id}: the broker takes no failure of its size either: the dispatcher learns nothing"
            )
        }
        Event::Forgotten(id) => format!("task {id}: forgotten"),
        Event::Ignored(Ignored::WrongWay(id)) => {
            format!("task {id}: a result came here, where only dispatchers send to")
        }
        Event::Ignored(Ignored::Unknown(action)) => {
            format!("a message was ignored: its action {action:?} is not known")
        }
        Event::Ignored(Ignored::Garbled(kind)) => format!("a message was ignored: {kind}"),
        Event::StoreTrouble => store_trouble(),
        Event::Closed(_) => "ended".into(),
        other => format!("{other:?}"),
    }
}

/// What happened at a dispatcher; of a verdict, only that there is one.
pub fn by_dispatcher(event: &platform::Event) -> String {
    use platform::Event;
    match event {
        Event::Up => up(),
        Event::Down(why) => down(*why),
        Event::HungUp(why) => hung_up(*why),
        Event::DuplicateIdSuspected => duplicate_id(),
        Event::Informed(client) => format!("{client} was told where the broker is"),
        Event::Refused { name, refusal } => match name {
            Some(name) => format!("{name:?} was not told where the broker is: {refusal}"),
            None => format!("somebody was not told where the broker is: {refusal}"),
        },
        Event::Accepted(id) => format!("task {id}: accepted"),
        Event::TimedOut {
            id,
            attempt,
            client,
        } => {
            format!("task {id}: attempt {attempt} of {client} took too long")
        }
        Event::AttemptFailed {
            id,
            attempt,
            reason,
        } => {
            format!("task {id}: attempt {attempt} failed: {reason:?}")
        }
        Event::FailHeld { id, reason } => {
            format!("task {id}: some attempt failed, and the task goes on: {reason:?}")
        }
        Event::Verdict { id, .. } => format!("task {id}: decided"),
        Event::LateResult(id, Late::Same) => {
            format!("task {id}: a result came late, the same as the verdict")
        }
        Event::LateResult(id, Late::Conflict) => {
            format!("task {id}: a result came late, and is not what was decided: look at both")
        }
        Event::LateResult(id, _) => format!("task {id}: a failure came late"),
        Event::Unsolicited(id) => {
            format!("task {id}: a result came before anybody was given the task")
        }
        Event::UnknownResult(id) => format!("task {id}: a result came, and the task is not known"),
        Event::RoundedId { got, live } => format!(
            "task {got}: not known, but {live} is: an analyser reads numbers as floating point, and has to be mended"
        ),
        Event::Unexpected(action) => {
            format!("a message was ignored: nobody sends {action} to a dispatcher")
        }
        Event::Garbled(kind) => format!("a message was ignored: {kind}"),
        Event::Suspended(client, pause) => {
            format!(
                "{client} let too many leases run out and gets no tasks for {} s",
                pause.as_secs()
            )
        }
        Event::StoreTrouble => store_trouble(),
        Event::Closed(_) => "ended".into(),
        other => format!("{other:?}"),
    }
}

fn up() -> String {
    "connected to the broker".into()
}

fn down(why: Down) -> String {
    match why {
        Down::BadCredentials => "the broker refuses our name or password".into(),
        Down::Refused(code) => format!("the broker refuses us with code {code}"),
        Down::Timeout => "the broker does not answer".into(),
        _ => "not connected to the broker".into(),
    }
}

fn hung_up(why: HangUp) -> String {
    let why = match why {
        HangUp::NotOpened => "it was not made in time",
        HangUp::NotAcknowledged => "a message was not acknowledged in time",
        HangUp::NotSent => "a message could not be sent",
        HangUp::TurnedAway => "the store was behind, and what was turned away is to come again",
        HangUp::Held => "there is room again for what was held back",
        _ => "there was a reason",
    };
    format!("the connection to the broker is made anew: {why}")
}

fn duplicate_id() -> String {
    "connections break one after another: another client is likely to use our client id; stop it"
        .into()
}

fn store_trouble() -> String {
    "the store fails and is asked again: make room, or see to the disk".into()
}

fn no_info(why: &NoInfo) -> String {
    match why {
        NoInfo::Rejected(rejection) => {
            let (status, msg) = (rejection.code.number(), &rejection.msg);
            format!("it refuses with status {status}, {msg:?}: see to name, key and clock")
        }
        NoInfo::Garbled(error) => error.to_string(),
        NoInfo::Unreachable => "it cannot be reached, or does not answer".into(),
        other => format!("{other:?}"),
    }
}
