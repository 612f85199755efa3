//! What a node asks the store again, because it may have missed it (C-3 to C-5).

mod platform_kit;

use platform_kit::others::*;
use platform_kit::{Rig, config, secs};
use std::time::Duration;
use zzw_push_proto::platform::*;
use zzw_push_proto::wire::*;

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node MUST ask the store who has an alias when that says of a link of this node that another
//# one has it, or none.
fn a_link_whose_alias_has_moved_is_closed_when_a_message_is_kept_for_it() {
    let mut rig = node_with_link();
    claim_elsewhere(&mut rig);
    rig.connect(2);
    rig.says(
        2,
        r#"{"t":6,"method":"publish_to_alias","alias":["m_1"],"msg":"hi","num":"1"}"#,
    );
    assert_eq!(rig.heard(1), REPLACED);
    let nudged = |output: &Output| {
        let node = NodeId(2);
        matches!(output, Output::Relay { node: to, message: NodeMessage::Nudge { .. } } if *to == node)
    };
    assert!(rig.log.iter().any(nudged));

    // Others have given the alias to nobody, because this node seemed to be dead.
    let mut rig = node_with_link();
    let alias = rig.store.aliases.get_mut("m_1").unwrap();
    (alias.owner, alias.epoch) = (None, alias.epoch + 1);
    rig.connect(2);
    rig.says(
        2,
        r#"{"t":6,"method":"publish_to_alias","alias":["m_1"],"msg":"hi","num":"1"}"#,
    );
    assert_eq!(rig.heard(1), REPLACED);
}

#[test]
fn a_later_epoch_is_noticed_by_whatever_is_read() {
    let mut rig = node_with_link();
    let mid = append_elsewhere(&mut rig, "one");
    claim_elsewhere(&mut rig);
    let alias = Text::from("m_1");
    let (node, message) = (NodeId(2), NodeMessage::Nudge { alias, mid });
    rig.input(Input::FromNode { node, message });
    assert_eq!(rig.heard(1), REPLACED);

    let mut rig = node_with_link();
    append_elsewhere(&mut rig, "one");
    claim_elsewhere(&mut rig);
    rig.says(1, r#"{"t":4,"num":"a"}"#);
    assert_eq!(rig.heard(1), REPLACED);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# When the lease of another node has ended, every queue MUST be looked at again: that node may
//# have kept a message and told nobody.
fn what_a_node_kept_and_told_nobody_is_found_when_it_is_gone() {
    let mut rig = node_with_link();
    renew(&mut rig, 2, secs(3));
    append_elsewhere(&mut rig, "one");
    rig.wait(Duration::from_millis(2_900));
    assert!(bodies(&mut rig, 1).is_empty());
    rig.wait(secs(2));
    assert_eq!(bodies(&mut rig, 1), ["one"]);
    // Nobody asks for ever.
    let asked = rig.platform.snapshot().confirmed;
    rig.wait(secs(60));
    assert_eq!(rig.platform.snapshot().confirmed, asked);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node that may have missed what another one has said MUST look at every queue again.
fn what_was_missed_is_found() {
    let node = NodeId(2);
    let message = NodeMessage::Missed;
    for input in [Input::Missed, Input::FromNode { node, message }] {
        let mut rig = node_with_link();
        append_elsewhere(&mut rig, "one");
        rig.input(input);
        assert_eq!(bodies(&mut rig, 1), ["one"]);
    }
}

#[test]
fn what_is_missed_while_the_store_is_asked_is_asked_again() {
    let mut rig = node_with_link();
    rig.is_held = true;
    rig.input(Input::Missed);
    let (seq, load) = rig.asked.pop().unwrap();
    let before = rig.store.execute(rig.at(), load);
    append_elsewhere(&mut rig, "one");
    rig.input(Input::Missed);
    rig.input(Input::Missed);
    assert!(rig.asked.is_empty());
    rig.is_held = false;
    rig.answer(seq, before);
    assert_eq!(bodies(&mut rig, 1), ["one"]);
}

/// What another node was told.
fn relayed(rig: &mut Rig) -> Vec<NodeMessage> {
    let outputs = rig.log.drain(..);
    let told = outputs.filter_map(|output| match output {
        Output::Relay { message, .. } => Some(message),
        _ => None,
    });
    told.collect()
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//= type=test
//# A queue MUST be read again when the store cannot tell whether it has kept a message for it.
fn others_look_again_where_the_store_could_not_tell_what_it_has_done() {
    let publish =
        r#"{"t":6,"method":"publish_to_alias","alias":["m_9","m_8"],"msg":"hi","num":"1"}"#;
    for frame in [r#"{"t":14,"alias":"m_9"}"#, publish] {
        let mut rig = node();
        rig.connect(1);
        rig.fails = true;
        rig.says(1, frame);
        rig.fails = false;
        rig.log.clear();
        // Who is there was told before: whoever has come since would not hear it.
        rig.wait(Duration::from_millis(999));
        assert_eq!(relayed(&mut rig), []);
        rig.wait(Duration::from_millis(1));
        let (alias, mid) = (Text::from("m_9"), MessageId(0));
        let told = relayed(&mut rig);
        assert!(
            told.contains(&NodeMessage::Nudge { alias, mid }),
            "{told:?}"
        );
        rig.wait(secs(60));
        assert_eq!(relayed(&mut rig), []);
    }

    // What was certainly not done is no reason.
    let mut config = config();
    config.lease = Some(Lease::default());
    config.reject_unknown_alias = true;
    let mut rig = Rig::new(config);
    renew(&mut rig, 2, secs(100_000));
    rig.connect(1);
    rig.says(1, publish);
    rig.wait(secs(5));
    assert_eq!(relayed(&mut rig), []);
}

#[test]
fn where_very_much_is_unsure_everything_is_looked_at_again() {
    let mut config = config();
    config.lease = Some(Lease::default());
    config.address_rate = Rate::new(2_000, 2_000);
    let mut rig = Rig::new(config);
    renew(&mut rig, 2, secs(100_000));
    rig.wait(Duration::ZERO);
    rig.fails = true;
    for link in 0..2_000 {
        rig.bind(link, &format!("m_{link}"));
    }
    rig.fails = false;
    rig.log.clear();
    rig.wait(secs(1));
    let told = relayed(&mut rig);
    assert!(told == [NodeMessage::Missed], "{} times", told.len());
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A link MUST be closed when its alias has moved to another node by a later epoch, and by none
//# else.
fn a_nudge_without_an_id_has_the_store_asked() {
    let nudge = || {
        let (alias, mid) = (Text::from("m_1"), MessageId(0));
        Input::FromNode {
            node: NodeId(2),
            message: NodeMessage::Nudge { alias, mid },
        }
    };
    let mut rig = node_with_link();
    rig.input(nudge());
    assert!(rig.heard(1).is_empty());
    append_elsewhere(&mut rig, "one");
    rig.input(nudge());
    assert_eq!(bodies(&mut rig, 1), ["one"]);
    claim_elsewhere(&mut rig);
    rig.input(nudge());
    assert_eq!(rig.heard(1), REPLACED);
}

#[test]
fn links_that_end_while_they_are_in_doubt_leave_nothing_behind() {
    let mut rig = node();
    for link in 1..=3 {
        rig.bind(link, &format!("m_{link}"));
    }
    rig.is_held = true;
    rig.input(Input::Missed);
    rig.input(Input::Disconnected(LinkId(2)));
    rig.is_held = false;
    rig.fails = true;
    rig.answer_all();
    rig.input(Input::Disconnected(LinkId(3)));
    rig.fails = false;
    rig.wait(secs(5));
    let counters = rig.platform.snapshot();
    assert_eq!((counters.online, counters.store_requests), (1, 0));
    assert_eq!(counters, rig.platform.recount());
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# When the lease of another node has ended, every queue MUST be looked at again: that node may
//# have kept a message and told nobody.
fn what_a_node_kept_and_told_nobody_is_found_when_it_says_goodbye() {
    let mut rig = node_with_link();
    append_elsewhere(&mut rig, "one");
    rig.store.nodes.remove(&NodeId(2));
    let (node, message) = (NodeId(2), NodeMessage::Gone);
    rig.input(Input::FromNode { node, message });
    assert_eq!(bodies(&mut rig, 1), ["one"]);
    // Whoever was not known may have kept something, too.
    append_elsewhere(&mut rig, "two");
    let (node, message) = (NodeId(3), NodeMessage::Gone);
    rig.input(Input::FromNode { node, message });
    assert_eq!(bodies(&mut rig, 1), ["two"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# A node that may have missed what another one has said MUST look at every queue again.
fn what_was_missed_is_found_without_a_lease_when_the_store_answers_again() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_1");
    rig.heard(1);
    append_elsewhere(&mut rig, "one");
    rig.fails = true;
    rig.input(Input::Missed);
    rig.wait(secs(5));
    assert!(bodies(&mut rig, 1).is_empty());
    rig.fails = false;
    rig.wait(secs(2));
    assert_eq!(bodies(&mut rig, 1), ["one"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//= type=test
//# A queue MUST be read again when the store cannot tell whether it has kept a message for it.
fn what_a_topic_may_have_brought_is_looked_for_here_and_elsewhere() {
    let mut rig = node_with_link();
    rig.connect(2);
    rig.is_held = true;
    rig.says(
        2,
        r#"{"t":6,"method":"publish","topic":["t"],"msg":"hi","num":"1"}"#,
    );
    let (seq, _) = rig.asked.pop().unwrap();
    append_elsewhere(&mut rig, "of the topic");
    rig.answer(seq, Err(StoreError::Unavailable));
    rig.is_held = false;
    rig.wait(secs(2));
    assert_eq!(bodies(&mut rig, 1), ["of the topic"]);
    let missed = |output: &Output| {
        let message = NodeMessage::Missed;
        let node = NodeId(2);
        *output == Output::Relay { node, message }
    };
    assert_eq!(rig.log.iter().filter(|output| missed(output)).count(), 1);
}
