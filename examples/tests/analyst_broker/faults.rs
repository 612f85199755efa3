//! What goes wrong on demand.

use super::*;

#[tokio::test]
async fn a_l21_a_broker_that_lies_acknowledges_what_it_loses() {
    let lmq = start(|behaviour| behaviour.lie = 1.0).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "lost").await;
    analyst.is_silent().await;
    lmq.change(|behaviour| behaviour.lie = 0.0).await;
    monitor.publish_acknowledged(ANALYST, "true").await;
    assert_eq!(text(&analyst.message().await), "true");
    assert_eq!(lmq.count(What::Lied), 1);
}

#[tokio::test]
async fn lost_messages_are_not_acknowledged() {
    let lmq = start(|behaviour| behaviour.drop = 1.0).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish(ANALYST, QoS::AtLeastOnce, "lost").await;
    monitor.is_silent().await;
    assert_eq!(lmq.count(What::Dropped), 1);
}

#[tokio::test]
async fn doubled_messages_come_twice() {
    let lmq = start(|behaviour| behaviour.double = 1.0).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "task").await;
    let first = analyst.unacknowledged().await;
    assert_eq!(analyst.message().await, first);
    analyst.is_silent().await;
}

/// What arrives of 20 messages if some of them are overtaken.
async fn overtaken(seed: u64, delay: Duration) -> Vec<u8> {
    let mut options = options();
    options.seed = seed;
    options.behaviour.reorder = 0.3;
    options.behaviour.delay = (Duration::ZERO, delay);
    let lmq = Lmq::start(options).await.unwrap();
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    for nth in 0..20 {
        monitor
            .publish(ANALYST, QoS::AtMostOnce, &nth.to_string())
            .await;
    }
    let mut order = Vec::new();
    for _ in 0..20 {
        order.push(text(&analyst.message().await).parse().unwrap());
    }
    assert!(lmq.count(What::Reordered) > 0);
    order
}

#[tokio::test]
async fn messages_overtake_others_and_all_arrive() {
    let order = overtaken(7, Duration::from_millis(10)).await;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..20).collect::<Vec<_>>());
    assert_ne!(order, sorted);
}

#[tokio::test]
async fn messages_that_take_their_time_keep_their_order() {
    let lmq = start(|behaviour| {
        behaviour.delay = (Duration::from_millis(20), Duration::from_millis(100));
    });
    let lmq = lmq.await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let started = Instant::now();
    for nth in 0..10 {
        analyst
            .publish(ANALYST, QoS::AtMostOnce, &nth.to_string())
            .await;
    }
    for nth in 0..10 {
        assert_eq!(text(&analyst.message().await), nth.to_string());
    }
    assert!(started.elapsed() >= Duration::from_millis(20));
}

/// Which of 200 messages are lost with this seed.
async fn lost_with(seed: u64) -> Vec<usize> {
    let mut options = options();
    options.seed = seed;
    (options.behaviour.lie, options.behaviour.max_rate) = (0.1, 1_000);
    let lmq = Lmq::start(options).await.unwrap();
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    for nth in 0..200 {
        analyst
            .publish(ANALYST, QoS::AtMostOnce, &nth.to_string())
            .await;
    }
    analyst.send(Packet::PingReq).await;
    let mut lost: Vec<usize> = (0..200).collect();
    while let Some(Packet::Publish(publish)) = analyst.next().await {
        let arrived: usize = text(&publish).parse().unwrap();
        lost.retain(|nth| *nth != arrived);
    }
    lost
}

#[tokio::test]
async fn chance_follows_from_the_seed() {
    let first = lost_with(5).await;
    assert!(!first.is_empty());
    assert_eq!(lost_with(5).await, first);
    assert_ne!(lost_with(6).await, first);
}

#[tokio::test]
async fn killed_connections_are_closed_and_their_sessions_are_not() {
    let lmq = start(|behaviour| behaviour.kill = 1.0).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    analyst.send(Packet::PingReq).await;
    analyst.is_closed().await;
    let (_, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present);
    assert_eq!(lmq.count(What::Killed), 1);
}

#[tokio::test]
async fn holes_swallow_one_way() {
    let lmq = start(|behaviour| behaviour.hole = Hole::Up).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish(ANALYST, QoS::AtLeastOnce, "lost").await;
    assert_eq!(monitor.soon().await, None);
    lmq.change(|behaviour| behaviour.hole = Hole::Down).await;
    monitor.publish(ANALYST, QoS::AtMostOnce, "swallowed").await;
    assert_eq!(analyst.soon().await, None);
    assert_eq!(lmq.count(What::Swallowed), 2);
    lmq.change(|behaviour| behaviour.hole = Hole::None).await;
    monitor.publish_acknowledged(ANALYST, "heard").await;
    assert_eq!(text(&analyst.message().await), "heard");
}
