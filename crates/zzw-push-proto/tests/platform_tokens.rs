//! Client tokens and what they allow (K-2, K-3, K-4).

mod platform_kit;

use platform_kit::{ADDRESS, Rig, config, secs};
use zzw_push_proto::platform::{
    ClientToken, Config, Event, Grant, Input, LinkEnd, LinkId, Output, Peer, Presented, Refused,
    Rule, Scopes, Transport,
};
use zzw_push_proto::wire::Token;

const CONNECT: &str = r#"{"t":14,"alias":"m_2","token":"m_2 16 3600"}"#;
const INVALID: &str = r#""code":"token""#;

fn requiring() -> Config {
    let mut config = config();
    config.client_token = ClientToken::Required;
    config
}

fn open_door() -> &'static str {
    r#"{"t":8,"r":"1203","u":"m_2"}"#
}

/// Whether each door command was authorised.
fn doors(rig: &mut Rig) -> Vec<bool> {
    let mut doors = Vec::new();
    rig.log.retain(|output| match output {
        Output::Door { is_authorised, .. } => {
            doors.push(*is_authorised);
            false
        }
        _ => true,
    });
    doors
}

fn presented(rig: &mut Rig) -> Vec<(zzw_push_proto::platform::AskId, Presented)> {
    let mut presented = Vec::new();
    rig.log.retain(|output| match output {
        Output::Verify(id, what) => {
            presented.push((*id, what.clone()));
            false
        }
        _ => true,
    });
    presented
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Where client tokens are required, a link MUST NOT be bound without a valid one that allows to
//# connect.
fn where_tokens_are_required_an_alias_is_given_for_a_valid_one_only() {
    let mut rig = Rig::new(requiring());
    for (id, json) in [
        r#"{"t":14,"alias":"m_2"}"#,
        r#"{"t":1,"alias":"m_2"}"#,
        r#"{"t":14,"alias":"m_2","token":"m_3 16 3600"}"#,
        r#"{"t":14,"alias":"m_2","token":"m_2 64 3600"}"#,
        r#"{"t":14,"alias":"m_2","token":"m_2 16 0"}"#,
        r#"{"t":14,"alias":"m_2","token":"no"}"#,
        r#"{"t":1,"alias":"m_2","token":"no"}"#,
    ]
    .into_iter()
    .enumerate()
    {
        let id = id as u64 + 1;
        rig.connect(id);
        rig.says(id, json);
        let heard = rig.heard(id);
        assert_eq!(heard.len(), 1, "{json}: {heard:?}");
        assert!(heard[0].contains(INVALID), "{json}: {heard:?}");
        assert!(!rig.platform.is_online("m_2"), "{json}");
    }
    assert!(rig.store.aliases.is_empty());
    rig.says(1, CONNECT);
    assert_eq!(rig.heard(1), [r#"{"t":-14,"alias":"m_2"}"#]);
    rig.says(2, r#"{"t":1,"alias":"m_3","token":"m_3 16 3600"}"#);
    assert_eq!(rig.heard(2), [r#"{"t":-1,"alias":"m_3"}"#]);
    let counters = rig.platform.snapshot();
    assert_eq!((counters.tokens_accepted, counters.tokens_rejected), (4, 3));
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A token that a client presents MUST be valid and its alias' own unless client tokens are off.
//= docs/spec/zzw-push-proto.md#permission
//# A link that has shown whose it is MUST NOT be bound to another alias without a token of that.
fn where_tokens_are_optional_one_that_is_presented_must_be_valid() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, r#"{"t":14,"alias":"m_2","token":"m_3 16 3600"}"#);
    assert!(rig.heard(1)[0].contains(INVALID));
    rig.says(1, r#"{"t":14,"alias":"m_2"}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-14,"alias":"m_2"}"#]);
    // Who has shown whose it is stays that.
    rig.connect(2);
    rig.is_held = true;
    rig.says(2, r#"{"t":14,"alias":"m_3","token":"m_3 16 3600"}"#);
    let (seq, _) = rig.asked.remove(0);
    rig.answer(seq, Err(zzw_push_proto::platform::StoreError::Unavailable));
    rig.is_held = false;
    rig.heard(2);
    rig.says(2, r#"{"t":14,"alias":"m_2"}"#);
    assert!(rig.heard(2)[0].contains(INVALID));
    rig.says(2, r#"{"t":14,"alias":"m_3"}"#);
    assert_eq!(rig.heard(2), [r#"{"t":-14,"alias":"m_3"}"#]);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A token that a client presents MUST be valid and its alias' own unless client tokens are off.
fn where_tokens_are_off_none_is_looked_at() {
    let mut config = config();
    config.client_token = ClientToken::Off;
    let mut rig = Rig::new(config);
    rig.is_unverified = true;
    rig.connect(1);
    rig.says(1, r#"{"t":14,"alias":"m_2","token":"no"}"#);
    assert_eq!(rig.heard(1), [r#"{"t":-14,"alias":"m_2"}"#]);
    assert!(presented(&mut rig).is_empty());
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A link that has shown whose it is MUST NOT be bound to another alias without a token of that.
fn the_token_of_a_handshake_is_for_its_alias_or_the_first_one_that_comes() {
    let mut rig = Rig::new(requiring());
    let peer = Peer::new(Transport::SocketIo, ADDRESS).with_token(Token::new("m_2 16 3600"));
    let with_alias = peer.clone().with_alias("m_2");
    rig.input(Input::Connected(LinkId(1), with_alias));
    assert_eq!(rig.heard(1), [r#"{"t":-14,"alias":"m_2"}"#]);
    rig.input(Input::Connected(LinkId(2), peer.clone()));
    assert!(rig.heard(2).is_empty());
    rig.says(2, r#"{"t":1,"alias":"m_2"}"#);
    assert_eq!(rig.heard(2).len(), 2);
    rig.input(Input::Connected(LinkId(3), peer));
    rig.says(3, r#"{"t":1,"alias":"m_3"}"#);
    assert!(rig.heard(3)[0].contains(INVALID));
}

#[test]
//= docs/spec/zzw-push-proto.md#alias
//# Frames of a link MUST wait while it is being bound or one of them is being decided about, and
//# then be served in their order.
//= docs/spec/zzw-push-proto.md#permission
//# What the application or the driver has not decided within `ask_timeout` MUST be denied.
fn frames_wait_while_a_token_is_verified_and_for_five_seconds() {
    let mut rig = Rig::new(requiring());
    rig.is_unverified = true;
    rig.connect(1);
    rig.says(1, CONNECT);
    rig.says(1, r#"{"t":3,"num":"behind"}"#);
    assert!(rig.heard(1).is_empty());
    let asked = presented(&mut rig);
    let [(ask, what)] = &asked[..] else {
        panic!("one token is to be verified: {asked:?}");
    };
    assert_eq!((what.link, what.address), (LinkId(1), ADDRESS));
    assert_eq!((&*what.alias, what.token.as_str()), ("m_2", "m_2 16 3600"));
    let grant = Grant::new("m_2", Scopes::CONNECT, secs(60));
    let decided = rig
        .platform
        .decide(rig.now, *ask, zzw_push_proto::platform::Verdict::Allow);
    assert_eq!(decided, Err(Refused::Unknown(*ask)));
    rig.platform
        .verified(rig.now, *ask, Some(grant.clone()))
        .unwrap();
    rig.drain();
    let expected = [
        r#"{"t":-14,"alias":"m_2"}"#,
        r#"{"t":-3,"num":"behind","topic":[]}"#,
    ];
    assert_eq!(rig.heard(1), expected);
    rig.connect(2);
    rig.says(2, r#"{"t":14,"alias":"m_3","token":"m_3 16 3600"}"#);
    let (ask, _) = presented(&mut rig).remove(0);
    rig.wait(secs(5));
    assert!(rig.heard(2)[0].contains(INVALID));
    let late = rig.platform.verified(rig.now, ask, Some(grant));
    assert_eq!(late, Err(Refused::Unknown(ask)));
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A link that needs a token MUST be closed when the token expires before a new one has come.
fn a_required_token_that_is_over_ends_the_link_unless_a_new_one_has_come() {
    let mut rig = Rig::new(requiring());
    rig.connect(1);
    rig.says(1, r#"{"t":14,"alias":"m_2","token":"m_2 16 60"}"#);
    rig.wait(secs(50));
    rig.says(1, r#"{"t":1,"token":"m_2 16 61"}"#);
    rig.wait(secs(60));
    assert_eq!(rig.heard(1).len(), 2);
    rig.wait(secs(1));
    let heard = rig.heard(1);
    assert!(heard[0].contains(INVALID), "{heard:?}");
    assert_eq!(heard[1..], ["closed"]);
    assert!(!rig.platform.is_online("m_2"));
    let end = Event::Offline("m_2".into(), LinkId(1), LinkEnd::Expired);
    assert!(rig.events().contains(&end));
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A token that has expired MUST NOT allow anything.
fn an_optional_token_that_is_over_only_allows_nothing_more() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, r#"{"t":14,"alias":"m_2","token":"m_2 80 60"}"#);
    rig.says(1, open_door());
    assert_eq!(doors(&mut rig), [true]);
    rig.wait(secs(60));
    rig.says(1, open_door());
    assert_eq!(doors(&mut rig), [false]);
    assert!(rig.platform.is_online("m_2"));
    rig.says(1, r#"{"t":1,"token":"m_2 80 61"}"#);
    rig.says(1, open_door());
    assert_eq!(doors(&mut rig), [true]);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# A command to open a door MUST NOT be allowed without a token for doors unless the rules are
//# changed.
//= docs/spec/zzw-push-proto.md#permission
//# A command to open a door that is denied MUST be handed to the rooms as denied, so that it is
//# reported, and not be answered.
fn a_door_is_opened_by_who_has_a_token_for_doors() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_1");
    rig.connect(2);
    rig.says(2, CONNECT);
    rig.connect(3);
    rig.says(3, r#"{"t":14,"alias":"m_3","token":"m_3 80 3600"}"#);
    for id in 1..=3 {
        rig.log.clear();
        rig.says(id, open_door());
        assert_eq!(doors(&mut rig), [id == 3]);
        assert!(rig.heard(id).is_empty(), "no answer (Z-13)");
    }
    assert_eq!(rig.platform.snapshot().denied, 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Each kind of operation MUST have a rule that allows it, denies it, asks for scopes of a token,
//# or asks the application.
fn a_rule_may_ask_for_a_token() {
    let mut config = config();
    config.rules.publish = Rule::Token(Scopes::CONNECT | Scopes::RELAY);
    config.rules.status = Rule::Ask;
    let mut rig = Rig::new(config);
    rig.connect(1);
    let publish = r#"{"t":6,"topic":["a"],"msg":"x","num":"n"}"#;
    rig.says(1, CONNECT);
    rig.heard(1);
    rig.says(1, publish);
    let heard = rig.heard(1);
    assert!(heard[0].contains(INVALID) && heard[0].contains(r#""num":"n""#));
    rig.says(1, r#"{"t":1,"token":"m_2 48 60"}"#);
    rig.says(1, publish);
    assert_eq!(rig.heard(1)[1], r#"{"t":-6,"num":"n"}"#);
    // The application is told what tokens allow.
    rig.log.clear();
    let status = zzw_push_proto::wire::StatusRequest::new("m_1");
    let status = zzw_push_proto::wire::Message::Status(status);
    let at = rig.at();
    rig.input(Input::Received(LinkId(1), at, status));
    let [Event::Asked(_, question)] = &rig.events()[..] else {
        panic!("the application is asked");
    };
    assert_eq!(question.scopes, Scopes(48));
}

#[test]
fn a_token_is_verified_once_and_then_known() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, CONNECT);
    rig.is_unverified = true;
    for _ in 0..10 {
        rig.says(1, r#"{"t":1,"alias":"m_2","token":"m_2 16 3600"}"#);
    }
    assert!(presented(&mut rig).is_empty());
    assert_eq!(rig.heard(1).len(), 11);
    rig.wait(secs(80));
    rig.says(1, r#"{"t":1,"token":"m_2 16 7200"}"#);
    assert_eq!(presented(&mut rig).len(), 1);
}

#[test]
fn a_token_without_an_alias_is_nobodys() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.says(1, r#"{"t":1,"token":"m_2 16 3600"}"#);
    assert!(rig.heard(1)[0].contains(r#""code":"missing""#));
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Tokens that are not valid MUST count like messages that cannot be read.
fn whoever_tries_tokens_is_cut_off() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_2");
    rig.heard(1);
    for n in 0..10 {
        rig.says(1, &format!(r#"{{"t":1,"token":"guess {n}"}}"#));
    }
    let heard = rig.heard(1);
    assert_eq!(heard.len(), 11);
    assert_eq!(heard[10], "closed");
    // And costs tokens of the other kind, unlike heartbeats.
    let mut config = config();
    config.max_garbled = u8::MAX;
    config.frame_rate = zzw_push_proto::platform::Rate::new(1, 3);
    let mut rig = Rig::new(config);
    rig.connect(1);
    for n in 0..10 {
        rig.says(1, &format!(r#"{{"t":1,"alias":"a","token":"guess {n}"}}"#));
    }
    let heard = rig.heard(1);
    let busy = heard.iter().filter(|json| json.contains("busy")).count();
    assert_eq!(busy, 7);
    assert_eq!(rig.platform.snapshot().tokens_rejected, 3);
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST NOT appear
//# in debug output.
fn no_debug_text_shows_a_token() {
    let peer = Peer::new(Transport::Tcp, ADDRESS).with_token(Token::new("secret"));
    let mut rig = Rig::new(config());
    rig.is_unverified = true;
    rig.input(Input::Connected(LinkId(1), peer.clone()));
    rig.says(1, r#"{"t":14,"alias":"m_2"}"#);
    let shown = format!("{peer:?} {:?} {:?}", rig.platform, rig.log);
    assert!(rig.log.iter().any(|o| matches!(o, Output::Verify(..))));
    assert!(!shown.contains("secret"), "{shown}");
}
