//! Questions to terminals, over their configuration API.

use crate::http::{Call, CallError, Caller, Dialing, Place};
use face_record_push::codec;
use face_record_push::platform::{EnrolError, Terminal, TerminalAnswer, TerminalAsk};
use face_record_push::{Host, Scheme};
use std::time::Duration;

/// Asks a terminal; whatever goes wrong is its answer.
pub(super) async fn ask(
    terminal: &Terminal,
    question: &TerminalAsk,
    dialing: Dialing,
) -> TerminalAnswer {
    // Whom to trust was read before.
    let Ok(mut caller) = Caller::new(dialing) else {
        return TerminalAnswer::Failed(EnrolError::Untrusted);
    };
    let request = codec::encode_terminal_ask(question, terminal.login.as_ref());
    let mut headers = vec![("content-type", "application/json".to_owned())];
    if let Some(authorization) = request.authorization {
        headers.push(("authorization", authorization));
    }
    let call = Call {
        method: request.method.to_owned(),
        path: request.path.to_owned(),
        headers,
        body: vec![request.body.into()],
    };
    match caller.exchange(&place(terminal), call, PATIENCE).await {
        Ok(reply) => codec::read_terminal_answer(question, reply.status, &reply.body),
        Err(CallError::Tls) => TerminalAnswer::Failed(EnrolError::Untrusted),
        Err(CallError::Forbidden) => TerminalAnswer::Failed(EnrolError::Forbidden),
        Err(_) => TerminalAnswer::Failed(EnrolError::Unreachable),
    }
}

fn place(terminal: &Terminal) -> Place {
    Place {
        is_tls: terminal.api.scheme() == Scheme::Https,
        host: match terminal.api.host() {
            Host::Name(name) => name,
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        },
        port: terminal.api.port(),
    }
}

/// Longer than the machine waits by default; its patience is what counts.
const PATIENCE: Duration = Duration::from_secs(30);
