//! Telling terminals to push to us.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;
use std::time::Duration;

fn dest(url: &str) -> Dest {
    Dest::parse(url).unwrap()
}

fn terminal(n: u8) -> Terminal {
    Terminal::new(dest(&format!("https://192.0.2.{n}:8000")))
}

fn with_account(n: u8) -> Terminal {
    terminal(n).with_login(Login::new("admin", "secret"))
}

fn wanted() -> Subscription {
    Subscription::to(dest("http://192.0.2.100:8080/Record"))
}

fn enrol(rig: &mut Rig, terminal: Terminal) {
    assert_eq!(rig.platform.enrol(rig.now, terminal, wanted()), Ok(()));
    rig.drain();
}

fn asks(rig: &Rig) -> Vec<(AskId, TerminalAsk)> {
    let ask = |output: &Output| match output {
        Output::Ask(id, _, ask) => Some((*id, ask.clone())),
        _ => None,
    };
    rig.log.iter().filter_map(ask).collect()
}

/// Answers the last question.
fn answer(rig: &mut Rig, answer: TerminalAnswer) {
    let (id, _) = asks(rig).pop().expect("a question");
    rig.input(Input::Answered(id, answer));
}

fn failures(rig: &Rig) -> Vec<EnrolError> {
    let mut failures = Vec::new();
    for event in rig.events() {
        if let Event::EnrolFailed(_, error) = event {
            failures.push(*error);
        }
    }
    failures
}

fn enrolled(rig: &Rig) -> usize {
    let events = rig.events();
    events
        .iter()
        .filter(|event| matches!(event, Event::Enrolled(_)))
        .count()
}

#[test]
fn a_terminal_that_pushes_elsewhere_is_told_and_asked_again() {
    let mut rig = Rig::new(config());
    enrol(&mut rig, with_account(1));
    let token = Token("t".to_owned());
    answer(&mut rig, TerminalAnswer::Token(token.clone()));
    let other = Subscription::to(dest("http://192.0.2.99/Record"));
    answer(&mut rig, TerminalAnswer::Config(Some(other)));
    answer(&mut rig, TerminalAnswer::Taken);
    //= docs/spec/face-record-push.md#subscription
    //= type=test
    //# The receiver MUST report a terminal as enrolled only once the terminal states the
    //# wanted configuration.
    assert_eq!(enrolled(&rig), 0);
    answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
    assert_eq!(enrolled(&rig), 1);
    let said: Vec<TerminalAsk> = asks(&rig).into_iter().map(|(_, ask)| ask).collect();
    let token = Some(token);
    //= docs/spec/face-record-push.md#subscription
    //= type=test
    //# The receiver MUST read the configuration of a terminal that it enrols before it
    //# changes it.
    assert_eq!(
        said,
        [
            TerminalAsk::Login,
            TerminalAsk::GetConfig(token.clone()),
            TerminalAsk::PutConfig(token.clone(), wanted()),
            TerminalAsk::GetConfig(token),
        ]
    );
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
fn a_terminal_that_pushes_to_us_already_is_left_alone() {
    let mut rig = Rig::new(config());
    enrol(&mut rig, terminal(1));
    answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
    //= docs/spec/face-record-push.md#subscription
    //= type=test
    //# The receiver MUST change the configuration of a terminal only where it differs
    //# from the wanted one.
    assert_eq!(asks(&rig).len(), 1);
    assert_eq!(asks(&rig)[0].1, TerminalAsk::GetConfig(None));
    assert_eq!(enrolled(&rig), 1);
}

#[test]
fn a_terminal_that_is_switched_off_or_states_nothing_is_told() {
    let mut off = wanted();
    off.is_enabled = false;
    for stated in [Some(off), None] {
        let mut rig = Rig::new(config());
        enrol(&mut rig, terminal(1));
        answer(&mut rig, TerminalAnswer::Config(stated.clone()));
        assert_eq!(asks(&rig)[1].1, TerminalAsk::PutConfig(None, wanted()));
        answer(&mut rig, TerminalAnswer::Taken);
        answer(&mut rig, TerminalAnswer::Config(stated));
        assert_eq!(failures(&rig), [EnrolError::NotTaken]);
    }
}

#[test]
fn a_failure_at_any_step_is_reported_and_tried_again() {
    let steps: [&[TerminalAnswer]; 4] = [
        &[],
        &[TerminalAnswer::Token(Token("t".to_owned()))],
        &[
            TerminalAnswer::Token(Token("t".to_owned())),
            TerminalAnswer::Config(None),
        ],
        &[
            TerminalAnswer::Token(Token("t".to_owned())),
            TerminalAnswer::Config(None),
            TerminalAnswer::Taken,
        ],
    ];
    for before in steps {
        for error in [EnrolError::Unauthorized, EnrolError::Refused(500)] {
            let mut rig = Rig::new(config());
            enrol(&mut rig, with_account(1));
            for step in before {
                answer(&mut rig, step.clone());
            }
            answer(&mut rig, TerminalAnswer::Failed(error));
            assert_eq!(failures(&rig), [error]);
            rig.said();
            rig.pass(secs(1));
            //= docs/spec/face-record-push.md#subscription
            //= type=test
            //# The receiver MUST try a failed enrolment again after a delay drawn evenly between
            //# zero and a bound that doubles with each failure up to `backoff_max`.
            assert_eq!(asks(&rig)[0].1, TerminalAsk::Login);
        }
    }
}

#[test]
fn a_terminal_that_does_not_answer_is_unreachable_and_asked_ever_more_rarely() {
    let mut rig = Rig::new(config());
    enrol(&mut rig, terminal(1));
    let late = asks(&rig)[0].0;
    rig.pass(secs(10));
    assert_eq!(failures(&rig), [EnrolError::Unreachable]);
    rig.input(Input::Answered(
        late,
        TerminalAnswer::Config(Some(wanted())),
    ));
    assert_eq!(enrolled(&rig), 0, "too late");
    rig.pass(Duration::from_secs(3_600));
    let count = asks(&rig).len();
    assert!((10..60).contains(&count), "{count}");
    answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
}

#[test]
fn an_answer_that_does_not_fit_is_garbled() {
    let mut rig = Rig::new(config());
    enrol(&mut rig, terminal(1));
    answer(&mut rig, TerminalAnswer::Taken);
    assert_eq!(failures(&rig), [EnrolError::Garbled]);
}

#[test]
fn so_many_terminals_are_asked_at_a_time() {
    let mut rig = Rig::new(config());
    for n in 1..=10 {
        enrol(&mut rig, terminal(n));
    }
    //= docs/spec/face-record-push.md#subscription
    //= type=test
    //# The receiver MUST NOT have more than `max_enrolling` enrolments under way at a time.
    assert_eq!(asks(&rig).len(), 4);
    answer(&mut rig, TerminalAnswer::Config(None));
    assert_eq!(asks(&rig).len(), 5, "the same one goes on");
    answer(&mut rig, TerminalAnswer::Failed(EnrolError::Unreachable));
    let apis: Vec<String> = rig
        .log
        .iter()
        .filter_map(|output| match output {
            Output::Ask(_, terminal, _) => Some(terminal.api.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        apis.last().map(String::as_str),
        Some("https://192.0.2.5:8000")
    );
}

#[test]
fn an_enrolled_terminal_is_looked_at_again_where_that_is_configured() {
    let mut config = config();
    config.verify_every = Some(secs(600));
    let mut rig = Rig::new(config);
    enrol(&mut rig, terminal(1));
    answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
    rig.pass(secs(600));
    //= docs/spec/face-record-push.md#subscription
    //= type=test
    //# The receiver MUST look at the configuration of an enrolled terminal again every
    //# `verify_every` where that is configured.
    assert_eq!(asks(&rig).len(), 2);
    answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
    assert_eq!(enrolled(&rig), 1, "no news");
    rig.pass(secs(600));
    // It was reset.
    answer(&mut rig, TerminalAnswer::Config(None));
    answer(&mut rig, TerminalAnswer::Taken);
    answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
    assert_eq!(enrolled(&rig), 2);
}

#[test]
fn enrolling_again_replaces_and_forgetting_ends_it() {
    let mut rig = Rig::new(config());
    enrol(&mut rig, terminal(1));
    let first = asks(&rig)[0].0;
    let other = Subscription::to(dest("http://192.0.2.101/Record"));
    assert_eq!(
        rig.platform.enrol(rig.now, terminal(1), other.clone()),
        Ok(())
    );
    rig.drain();
    rig.input(Input::Answered(
        first,
        TerminalAnswer::Config(Some(wanted())),
    ));
    assert_eq!(enrolled(&rig), 0);
    answer(&mut rig, TerminalAnswer::Config(Some(other)));
    assert_eq!(enrolled(&rig), 1);
    assert!(rig.platform.forget(rig.now, &terminal(1)));
    assert!(!rig.platform.forget(rig.now, &terminal(1)));
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
fn too_many_terminals_and_a_closed_receiver_give_the_terminal_back() {
    let mut config = config();
    config.max_enrolled = 1;
    let mut rig = Rig::new(config);
    enrol(&mut rig, terminal(1));
    let full = rig.platform.enrol(rig.now, terminal(2), wanted());
    assert_eq!(full, Err(Refused::Full(terminal(2))));
    rig.close();
    let closed = rig.platform.enrol(rig.now, terminal(1), wanted());
    assert_eq!(closed, Err(Refused::Closed(terminal(1))));
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
fn a_terminal_that_fails_for_a_while_is_reported_as_enrolled_again() {
    let mut config = config();
    config.verify_every = Some(secs(600));
    let mut rig = Rig::new(config);
    enrol(&mut rig, terminal(1));
    answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
    rig.pass(secs(600));
    answer(&mut rig, TerminalAnswer::Failed(EnrolError::Unreachable));
    rig.pass(secs(1));
    answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
    assert_eq!((enrolled(&rig), failures(&rig).len()), (2, 1));
}

#[test]
fn a_terminal_that_is_reset_every_time_is_told_every_time() {
    let mut config = config();
    config.verify_every = Some(secs(600));
    let mut rig = Rig::new(config);
    enrol(&mut rig, terminal(1));
    for _ in 0..3 {
        answer(&mut rig, TerminalAnswer::Config(None));
        answer(&mut rig, TerminalAnswer::Taken);
        answer(&mut rig, TerminalAnswer::Config(Some(wanted())));
        rig.pass(secs(600));
    }
    assert_eq!((enrolled(&rig), failures(&rig).len()), (3, 0));
}
