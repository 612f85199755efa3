//! A-P14: results for tasks of other dispatchers.

mod platform_kit;

use analyst_proto::link::{DeliveryId, Down};
use analyst_proto::platform::{
    Config, Event, Input, Late, NodeId, Op, Output, Relay, Ticket, Verdict,
};
use analyst_proto::wire::{Finish, Message, TaskId};
use platform_kit::{Rig, config, fail, finish, id, ms, secs, taken, task, timeout};
use std::sync::Arc;

const HERE: [NodeId; 2] = [NodeId(2), NodeId(3)];
const STRANGER: NodeId = NodeId(4);

/// One dispatcher of three.
fn with_peers() -> Config {
    let mut config = config();
    config.peers = HERE.into_iter().collect();
    config
}

/// What was told to other nodes since somebody looked.
fn relays(rig: &Rig) -> Vec<(NodeId, Relay)> {
    let relays = rig.log.iter().filter_map(|output| match output {
        Output::Relay { node, relay } => Some((*node, relay.clone())),
        _ => None,
    });
    relays.collect()
}

/// The ticket of the last offer.
fn ticket(rig: &Rig) -> Ticket {
    let last = relays(rig).pop().expect("an offer");
    match last.1 {
        Relay::Result { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

fn says(rig: &mut Rig, node: NodeId, relay: Relay) {
    rig.tell(Input::FromNode { node, relay });
}

/// A peer offers a result.
fn offers(rig: &mut Rig, ticket: u64, message: Message) {
    let (ticket, message) = (Ticket(ticket), Arc::new(message));
    says(rig, NodeId(2), Relay::Result { ticket, message });
}

/// What the peer was answered since somebody looked.
fn answers(rig: &Rig) -> Vec<Relay> {
    let to_peer = relays(rig).into_iter();
    to_peer
        .map(|(node, relay)| (node == NodeId(2)).then_some(relay).unwrap())
        .collect()
}

fn known(ticket: u64) -> Relay {
    let ticket = Ticket(ticket);
    Relay::Known { ticket }
}

fn unknown(ticket: u64) -> Relay {
    let ticket = Ticket(ticket);
    Relay::Unknown { ticket }
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A result for a task that is not known MUST be offered to each peer once, also when it comes again
//# before they have answered.
fn a_p14_a_result_for_a_task_that_is_not_known_is_offered_to_each_peer_once() {
    let mut rig = Rig::up(with_peers(), 1);
    let first = rig.hear(finish(1, 4));
    let ticket = ticket(&rig);
    let message = Arc::new(finish(1, 4));
    let offer = Relay::Result { ticket, message };
    let to_all = HERE.map(|node| (node, offer.clone()));
    assert_eq!(relays(&rig), to_all);
    let again = rig.hear(finish(1, 4));
    assert_eq!(relays(&rig), to_all, "it joins the first");
    rig.hear(finish(1, 5));
    assert_eq!(relays(&rig).len(), 4, "that is another result");
    assert!(!rig.is_acked(first) && !rig.is_acked(again));
    says(&mut rig, NodeId(3), Relay::Known { ticket });
    assert!(rig.is_acked(first) && rig.is_acked(again));
    assert_eq!(rig.platform.counters().relayed, 2);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A result that is offered MUST NOT be acknowledged before a peer knows its task, all have said that
//# they do not, or `relay_wait` is over.
fn a_p14_a_result_is_acknowledged_after_the_first_peer_that_knows_it() {
    let mut rig = Rig::up(with_peers(), 1);
    let delivery = rig.hear(fail(1, "太暗"));
    let ticket = ticket(&rig);
    says(&mut rig, NodeId(2), Relay::Unknown { ticket });
    rig.pass(ms(1_999));
    assert!(!rig.is_acked(delivery));
    says(&mut rig, NodeId(3), Relay::Known { ticket });
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.events(), []);
    // Twice, late, and by somebody who did not know before.
    says(&mut rig, NodeId(3), Relay::Known { ticket });
    says(&mut rig, NodeId(2), Relay::Known { ticket });
    says(&mut rig, NodeId(2), Relay::Unknown { ticket });
    rig.pass(secs(5));
    assert_eq!(rig.log, []);
    assert_eq!(rig.platform.counters().stray, 0);
}

#[test]
fn a_p14_a_result_is_acknowledged_once_all_peers_do_not_know_it() {
    let mut rig = Rig::up(with_peers(), 1);
    let delivery = rig.hear(finish(1, 4));
    let ticket = ticket(&rig);
    for _ in 0..2 {
        says(&mut rig, NodeId(2), Relay::Unknown { ticket });
        assert!(!rig.is_acked(delivery), "one of them twice is not both");
    }
    says(&mut rig, NodeId(3), Relay::Unknown { ticket });
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.events(), [Event::UnknownResult(id(1))]);
    assert_eq!(rig.platform.counters().stray, 1);
}

#[test]
fn a_p14_a_result_is_acknowledged_when_peers_have_had_their_time() {
    let mut rig = Rig::up(with_peers(), 1);
    let delivery = rig.hear(finish(1, 4));
    let ticket = ticket(&rig);
    says(&mut rig, NodeId(3), Relay::Unknown { ticket });
    rig.pass(ms(1_999));
    assert!(!rig.is_acked(delivery));
    rig.pass(ms(1));
    assert!(rig.is_acked(delivery));
    let silent = [NodeId(2)].into();
    let said = [
        Event::RelayUnanswered(id(1), silent),
        Event::UnknownResult(id(1)),
    ];
    assert_eq!(rig.events(), said);
    says(&mut rig, NodeId(2), Relay::Known { ticket });
    assert_eq!(rig.log, [], "too late");
    let second = rig.hear(finish(1, 4));
    assert_eq!(
        (relays(&rig).len(), rig.is_acked(second)),
        (2, false),
        "a new one"
    );
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A result that a peer offers MUST be taken as if it had come from the broker, and MUST NOT be
//# offered to others.
fn a_p14_a_result_of_a_peer_counts_as_if_the_broker_had_brought_it() {
    let mut rig = Rig::up(with_peers(), 2);
    rig.submit(task(1));
    rig.pass(secs(60)); // the second attempt has begun
    rig.log.clear();
    offers(&mut rig, 7, fail(1, "太暗"));
    assert_eq!(answers(&rig), [known(7)]);
    let (id, reason) = (id(1), "太暗".into());
    assert_eq!(rig.events(), [Event::FailHeld { id, reason }]);
    offers(&mut rig, 8, finish(1, 4));
    assert_eq!(rig.verdicts(), [(id, Verdict::Finished(taken(4)))]);
    assert_eq!(rig.stops(), ["2"]);
    assert_eq!(answers(&rig), [known(8)]);
    rig.log.clear();
    offers(&mut rig, 9, finish(1, 4));
    assert_eq!(answers(&rig), [known(9)]);
    assert_eq!(rig.events(), [Event::LateResult(id, Late::Same)]);
    offers(&mut rig, 10, finish(2, 4));
    assert_eq!(
        rig.log,
        [Output::Relay {
            node: NodeId(2),
            relay: unknown(10)
        }]
    );
    assert_eq!(rig.platform.counters().adopted, 3);
}

#[test]
fn a_p14_a_task_that_nobody_was_given_is_known() {
    let mut rig = Rig::up(with_peers(), 0);
    rig.submit(task(1));
    rig.log.clear();
    offers(&mut rig, 7, finish(1, 4));
    assert_eq!(answers(&rig), [known(7)]);
    assert_eq!(rig.events(), [Event::Unsolicited(id(1))]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST NOT tell a peer that it knows the task of a result before what follows from
//# that is stored.
fn a_p14_a_peer_is_told_that_a_task_is_known_once_what_follows_is_stored() {
    let mut rig = Rig::up(with_peers(), 1);
    rig.submit(task(1));
    rig.stores = false;
    rig.log.clear();
    offers(&mut rig, 7, fail(1, "404"));
    offers(&mut rig, 7, fail(1, "404"));
    // Neither the connection nor a store that fails changes that.
    rig.tell(Input::Disconnected(Down::Lost));
    let (seq, _) = rig.asked().pop().unwrap();
    rig.fail_store(seq);
    rig.pass(secs(2));
    assert_eq!(relays(&rig), []);
    rig.store_all();
    assert_eq!(answers(&rig), [known(7)], "once, though it was asked twice");
}

#[test]
fn a_p14_a_verdict_that_takes_the_place_of_another_is_waited_for() {
    let mut config = with_peers();
    config.fatal_reasons = vec!["404".to_owned()];
    let mut rig = Rig::up(config, 1);
    rig.submit(task(1));
    rig.stores = false;
    rig.log.clear();
    offers(&mut rig, 7, fail(1, "404"));
    let (failed, _) = rig.asked().pop().unwrap();
    rig.hear(finish(1, 4));
    rig.tell(Input::Stored(failed));
    assert_eq!(relays(&rig), [], "what counts is not stored");
    rig.store_all();
    assert_eq!(answers(&rig), [known(7)]);
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Finished(taken(4)))]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A result that is not offered since there are too many, or that not all peers have answered in time,
//# MUST be reported.
fn a_p14_one_offer_too_many_is_reported_and_not_made() {
    let mut config = with_peers();
    config.max_relays = 2;
    let mut rig = Rig::up(config, 1);
    let first = rig.hear(finish(1, 4));
    rig.hear(finish(1, 4));
    rig.log.clear();
    let third = rig.hear(finish(2, 4));
    assert!(rig.is_acked(third) && !rig.is_acked(first));
    assert_eq!(relays(&rig), []);
    let said = [Event::NotRelayed(id(2)), Event::UnknownResult(id(2))];
    assert_eq!(rig.events(), said);
    rig.pass(secs(2));
    rig.log.clear();
    rig.hear(finish(2, 4));
    assert_eq!(relays(&rig).len(), 2, "there is room again");
}

#[test]
fn a_p14_an_offer_takes_up_room_without_its_connection() {
    let mut config = with_peers();
    (config.max_relays, config.relay_wait) = (1, secs(60));
    let mut rig = Rig::up(config, 1);
    rig.hear(finish(1, 4));
    rig.tell(Input::Disconnected(Down::Lost));
    rig.connect();
    rig.log.clear();
    rig.hear(finish(2, 4));
    let said = [Event::NotRelayed(id(2)), Event::UnknownResult(id(2))];
    assert_eq!(rig.events(), said);
}

#[test]
fn a_p14_a_peer_is_not_answered_while_the_store_is_behind() {
    let mut config = with_peers();
    config.max_relays = 1;
    let mut rig = Rig::up(config, 2);
    rig.submit(task(1));
    rig.submit(task(2));
    rig.stores = false;
    rig.log.clear();
    offers(&mut rig, 7, finish(1, 4));
    offers(&mut rig, 8, finish(2, 4));
    assert_eq!(rig.platform.counters().deferred, 1);
    rig.store_all();
    assert_eq!(answers(&rig), [known(7)]);
    assert!(rig.platform.is_up(), "the broker has nothing to do with it");
    rig.log.clear();
    offers(&mut rig, 9, finish(2, 4));
    rig.store_all();
    assert_eq!(answers(&rig), [known(9)]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# What comes from a node that is no peer MUST be reported and change nothing.
fn a_p14_a_node_that_is_no_peer_changes_nothing() {
    let mut rig = Rig::up(with_peers(), 1);
    rig.submit(task(1));
    let delivery = rig.hear(finish(2, 4));
    let ticket = ticket(&rig);
    rig.log.clear();
    let message = Arc::new(finish(1, 4));
    for relay in [
        Relay::Result { ticket, message },
        Relay::Known { ticket },
        Relay::Unknown { ticket },
    ] {
        says(&mut rig, STRANGER, relay);
        assert_eq!(rig.log, [Output::Event(Event::StrangeNode(STRANGER))]);
        rig.log.clear();
    }
    assert!(!rig.is_acked(delivery));
}

#[test]
fn a_p14_a_ticket_that_is_not_ours_means_nothing() {
    let mut rig = Rig::up(with_peers(), 1);
    let delivery = rig.hear(finish(1, 4));
    let Ticket(number) = ticket(&rig);
    rig.log.clear();
    for other in [0, number - 1, number + 1, u64::MAX] {
        says(&mut rig, NodeId(2), known(other));
        says(&mut rig, NodeId(3), unknown(other));
    }
    assert_eq!(rig.log, []);
    says(&mut rig, NodeId(2), known(number));
    assert!(rig.is_acked(delivery));
}

#[test]
fn a_p14_tickets_of_another_life_are_others() {
    let of_seed = |seed| {
        let mut config = with_peers();
        config.seed = seed;
        let mut rig = Rig::up(config, 1);
        rig.hear(finish(1, 4));
        ticket(&rig)
    };
    assert_ne!(of_seed(1), of_seed(2));
}

#[test]
fn a_p14_over_another_connection_a_result_comes_again_and_joins_its_offer() {
    let mut config = with_peers();
    config.relay_wait = secs(60);
    let mut rig = Rig::up(config, 1);
    let first = rig.hear(finish(1, 4));
    let ticket = ticket(&rig);
    rig.tell(Input::Disconnected(Down::Lost));
    rig.connect();
    rig.log.clear();
    let second = rig.hear(finish(1, 4));
    assert_eq!(relays(&rig), []);
    says(&mut rig, NodeId(2), Relay::Known { ticket });
    assert_eq!(rig.log, [Output::Ack(second)], "not {first:?}");
}

#[test]
fn a_p14_a_result_whose_connection_is_gone_is_not_lost_yet() {
    let mut rig = Rig::up(with_peers(), 1);
    for answer in [true, false] {
        rig.hear(finish(1, 4));
        let ticket = ticket(&rig);
        rig.tell(Input::Disconnected(Down::Lost));
        rig.log.clear();
        if answer {
            for node in HERE {
                says(&mut rig, node, Relay::Unknown { ticket });
            }
        }
        rig.pass(secs(60));
        let is_said =
            |event: &Event| matches!(event, Event::UnknownResult(_) | Event::RelayUnanswered(..));
        assert!(!rig.events().iter().any(is_said), "it comes again");
        rig.connect();
        rig.log.clear();
    }
    assert_eq!(rig.platform.counters().stray, 0);
}

#[test]
fn a_p14_a_peer_is_heard_without_a_connection() {
    let mut rig = Rig::up(with_peers(), 1);
    rig.submit(task(1));
    rig.tell(Input::Disconnected(Down::Lost));
    rig.log.clear();
    offers(&mut rig, 7, finish(1, 4));
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Finished(taken(4)))]);
    assert_eq!(answers(&rig), [known(7)]);
}

#[test]
fn a_p14_after_a_crash_nothing_was_promised_and_nothing_is_known_of_it() {
    let mut rig = Rig::up(with_peers(), 1);
    rig.submit(task(1));
    rig.stores = false;
    offers(&mut rig, 7, finish(1, 4));
    let delivery = rig.hear(finish(2, 4));
    let ticket = ticket(&rig);
    let mut next = rig.restarted(1);
    says(&mut next, NodeId(2), Relay::Known { ticket });
    next.pass(secs(10));
    assert!(!next.is_acked(delivery));
    assert_eq!(relays(&next), []);
    assert!(
        next.records
            .iter()
            .all(|op| !matches!(op, Op::Terminal(..)))
    );
}

#[test]
fn a_p14_a_closed_dispatcher_owes_no_answer() {
    let mut rig = Rig::up(with_peers(), 1);
    rig.submit(task(1));
    rig.stores = false;
    offers(&mut rig, 7, finish(1, 4));
    let delivery = rig.hear(finish(2, 4));
    let ticket = ticket(&rig);
    rig.log.clear();
    rig.platform.close(rig.now);
    says(&mut rig, NodeId(2), Relay::Known { ticket });
    offers(&mut rig, 8, finish(3, 4));
    rig.pass(secs(10));
    assert_eq!((relays(&rig), rig.is_acked(delivery)), (vec![], false));
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
fn a_p14_what_is_no_result_is_not_known() {
    let mut rig = Rig::up(with_peers(), 1);
    rig.submit(task(1));
    rig.log.clear();
    offers(&mut rig, 7, timeout(1));
    let said = Event::Unexpected("a relay of what is no result");
    let answer = Output::Relay {
        node: NodeId(2),
        relay: unknown(7),
    };
    assert_eq!(rig.log, [Output::Event(said), answer]);
    assert_eq!(rig.platform.counters().unexpected, 1);
}

#[test]
fn a_p14_a_rounded_number_is_looked_for_at_peers_unless_it_counts_here() {
    let rounded = TaskId(id(1).0 / 256 * 256);
    let result = || Message::Finish(Finish::new(rounded, taken(4)));
    let mut rig = Rig::up(with_peers(), 1);
    rig.submit(task(1));
    rig.log.clear();
    rig.hear(result());
    let ticket = ticket(&rig);
    for node in HERE {
        says(&mut rig, node, Relay::Unknown { ticket });
    }
    let (got, live) = (rounded, id(1));
    assert_eq!(rig.events(), [Event::RoundedId { got, live }]);
    offers(&mut rig, 7, result());
    assert_eq!(answers(&rig), [unknown(7)], "a peer's is never rounded");

    let mut config = with_peers();
    config.rounded_ids = true;
    let mut rig = Rig::up(config, 1);
    rig.submit(task(1));
    rig.log.clear();
    rig.hear(result());
    assert_eq!(relays(&rig), []);
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Finished(taken(4)))]);
}

#[test]
fn a_p14_without_peers_nothing_changes() {
    let mut rig = Rig::up(config(), 1);
    let delivery = rig.hear(finish(1, 4));
    assert_eq!(
        rig.log,
        [
            Output::Event(Event::UnknownResult(id(1))),
            Output::Ack(delivery),
        ]
    );
    rig.log.clear();
    offers(&mut rig, 7, finish(1, 4));
    assert_eq!(rig.events(), [Event::StrangeNode(NodeId(2))]);
    assert_eq!(delivery, DeliveryId(1));
}
