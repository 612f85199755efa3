//! Terminals that ask whether a person may pass.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;

fn asking() -> Config {
    let mut config = config();
    config.remote_auth = RemoteAuth::Ask(secs(3));
    config
}

fn reply(rig: &Rig, id: ExchangeId) -> (u16, String) {
    let reply = rig.replies(id).pop().expect("a reply");
    let mut text = Vec::new();
    codec::encode_reply(&reply, &mut text);
    (reply.status(), String::from_utf8(text).unwrap())
}

#[test]
fn nobody_passes_by_default_and_nothing_is_kept() {
    let mut rig = Rig::new(config());
    let id = rig.send(question("A"));
    let (status, text) = reply(&rig, id);
    //= docs/spec/face-record-push.md#remote-auth
    //= type=test
    //# A question that is not to be asked or was not decided in time MUST be answered with status
    //# 503 and `pass` false.
    assert_eq!(status, 503);
    assert!(text.contains("\"pass\":false"), "{text}");
    //= docs/spec/face-record-push.md#remote-auth
    //= type=test
    //# The question whether a person may pass MUST NOT be kept as a record.
    assert!(rig.entries().is_empty() && rig.quarantined().is_empty());
    assert_eq!(rig.platform.counters().remote_auth, 1);
}

#[test]
fn the_application_decides() {
    for pass in [true, false] {
        let mut rig = Rig::new(asking());
        let id = rig.send(question("A"));
        assert!(matches!(rig.events()[..], [Event::RemoteAuth(asked, _)] if *asked == id));
        assert_eq!(rig.state(id), ExchangeState::Deciding);
        let decided = rig.platform.decide(rig.now, id, AuthDecision::new(pass));
        assert_eq!(decided, Ok(()));
        rig.drain();
        let (status, text) = reply(&rig, id);
        //= docs/spec/face-record-push.md#remote-auth
        //= type=test
        //# A decision MUST be answered with status 200 and the decision in `pass`.
        assert_eq!(status, 200);
        assert!(text.contains(&format!("\"pass\":{pass}")), "{text}");
        assert!(rig.entries().is_empty());
        assert_eq!(rig.platform.reserved_bytes(), 0);
    }
}

#[test]
fn a_decision_that_comes_too_late_is_given_back() {
    let mut rig = Rig::new(asking());
    let id = rig.send(question("A"));
    rig.pass(secs(3));
    assert_eq!(reply(&rig, id).0, 503);
    let yes = AuthDecision::new(true);
    let late = rig.platform.decide(rig.now, id, yes.clone());
    //= docs/spec/face-record-push.md#remote-auth
    //= type=test
    //# A decision that comes too late MUST be given back.
    assert_eq!(late, Err(Refused::Invalid(yes.clone())));
    let gone = rig.send(question("A"));
    rig.disconnect(gone);
    let late = rig.platform.decide(rig.now, gone, yes.clone());
    assert_eq!(late, Err(Refused::Invalid(yes.clone())));
    let cut_short = rig.send(question("A"));
    rig.close();
    assert_eq!(reply(&rig, cut_short).0, 503);
    let late = rig.platform.decide(rig.now, cut_short, yes.clone());
    assert_eq!(late, Err(Refused::Closed(yes)));
}

#[test]
fn whoever_is_not_who_he_says_is_not_asked_about() {
    let mut config = asking();
    config.serials = vec![serial("A"), serial("B")];
    let mut rig = Rig::new(config);
    let id = rig.connect(named(1, "A"));
    rig.receive(id, question("B"));
    assert_eq!(reply(&rig, id).0, 503);
    let foreign = rig.send(question("C"));
    assert_eq!(reply(&rig, foreign).0, 403);
    let nobody = rig.send(decode(r#"{"recognizeStatus":2}"#));
    assert_eq!(reply(&rig, nobody).0, 503);
    //= docs/spec/face-record-push.md#remote-auth
    //= type=test
    //# The receiver MUST NOT answer that a person may pass unless the application has decided so.
    assert!(
        !rig.events()
            .iter()
            .any(|event| matches!(event, Event::RemoteAuth(..)))
    );
}
