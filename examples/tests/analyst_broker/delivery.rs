//! Who gets what, and when.

use super::*;

#[tokio::test]
async fn who_may_connect() {
    use ConnectReturnCode::*;
    let lmq = start(|_| {}).await;
    let with = |id: &str, user_name: &str, password: &str| {
        let mut connect = Connect::new(id);
        connect.set_login(user_name, password);
        connect
    };
    let password = "PRZXuC7bY7vnEQOCFSzg0EmG4d4=";
    for (connect, expected) in [
        (connect(ANALYST), Success),
        (with(ANALYST, "Signature|k|i", password), Success),
        (with(ANALYST, "DeviceCredential|k|i", password), Success),
        (
            with(ANALYST, "Signature|k|i", "VRZXuC7bY7vnEQOCFSzg0EmG4d4="),
            BadUserNamePassword,
        ),
        (
            with(MONITOR, "Signature|k|i", password),
            BadUserNamePassword,
        ),
        (with(ANALYST, "Signature|k|i", ""), BadUserNamePassword),
        (Connect::new(ANALYST), BadUserNamePassword),
        (with(MONITOR, "k", "yFqau7D0Gtc2mXwGtQljuw4LCo4="), Success),
        (with(ANALYST, "k", password), BadUserNamePassword),
        (with(ANALYST, "Token|k|i", "RW|t"), Success),
        (with(ANALYST, "Token|k|i", "t"), BadUserNamePassword),
        (with("analyst_3", "Signature|k|i", ""), BadClientId),
        (with("", "Signature|k|i", ""), BadClientId),
    ] {
        let what = format!("{connect:?}");
        assert_eq!(code(&lmq, connect).await, Some(expected), "{what}");
    }
    let mut willing = connect(ANALYST);
    willing.last_will = Some(LastWill::new("Analyst", "x", QoS::AtMostOnce, false));
    assert_eq!(code(&lmq, willing).await, Some(NotAuthorized));
    let open = Lmq::start(Options::new()).await.unwrap();
    assert_eq!(
        code(&open, with(ANALYST, "Signature|k|i", "any")).await,
        Some(Success)
    );
    let mut rude = Client::open(lmq.address()).await;
    rude.send(Packet::PingReq).await;
    rude.is_closed().await;
}

#[tokio::test]
async fn a_l7_point_to_point_needs_no_subscription() {
    let lmq = start(|_| {}).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    for (qos, id) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1)] {
        monitor.publish(ANALYST, qos, "hello").await;
        let message = analyst.message().await;
        assert_eq!((message.qos, message.pkid, message.dup), (qos, id, false));
        assert_eq!(
            (&*message.topic, text(&message)),
            ("Analyst/p2p/GID_Analyst@@@analyst_3", "hello")
        );
    }
    assert_eq!(monitor.next().await, Some(Packet::PubAck(PubAck::new(2))));
    monitor.is_silent().await;
    // Its own subscription brings it nothing twice.
    let own = format!("Analyst/p2p/{ANALYST}");
    assert_eq!(
        analyst.subscribe(&own).await,
        SubscribeReasonCode::Success(QoS::AtLeastOnce)
    );
    monitor.publish_acknowledged(ANALYST, "once").await;
    assert_eq!(text(&analyst.message().await), "once");
    analyst.is_silent().await;
}

#[tokio::test]
async fn a_l8_topics_end_with_a_slash_if_that_is_wanted() {
    let lmq = start(|behaviour| behaviour.topic_slash = true).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    analyst.publish(ANALYST, QoS::AtMostOnce, "to myself").await;
    assert_eq!(
        analyst.message().await.topic,
        format!("Analyst/p2p/{ANALYST}/")
    );
}

#[tokio::test]
async fn watchers_subscribe_to_everything() {
    let lmq = start(|_| {}).await;
    let (mut watcher, _) = Client::login(&lmq, "GID_Analyst@@@watcher").await;
    watcher.subscribe("Analyst/p2p/#").await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish(ANALYST, QoS::AtMostOnce, "task").await;
    monitor
        .publish("GID_Analyst@@@分析器", QoS::AtMostOnce, "任务")
        .await;
    assert_eq!(text(&watcher.message().await), "task");
    assert_eq!(text(&watcher.message().await), "任务");
    for nth in 1..30 {
        let code = watcher.subscribe(&format!("Analyst/{nth}")).await;
        assert_eq!(code, SubscribeReasonCode::Success(QoS::AtLeastOnce));
    }
    assert_eq!(
        watcher.subscribe("Analyst/30").await,
        SubscribeReasonCode::Failure
    );
    assert_eq!(watcher.subscribe("a#").await, SubscribeReasonCode::Failure);
    watcher
        .send(Packet::Unsubscribe(Unsubscribe::new("Analyst/p2p/#")))
        .await;
    assert!(matches!(watcher.next().await, Some(Packet::UnsubAck(_))));
    monitor.publish_acknowledged(ANALYST, "unseen").await;
    watcher.is_silent().await;
}

#[tokio::test]
async fn a_l20_plain_brokers_want_a_subscription_and_do_not_say_so() {
    let lmq = start(|behaviour| behaviour.profile = Profile::Plain).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "lost").await;
    assert_eq!(lmq.count(What::Lost), 1);
    analyst.subscribe(&format!("Analyst/p2p/{ANALYST}")).await;
    monitor.publish_acknowledged(ANALYST, "heard").await;
    assert_eq!(text(&analyst.message().await), "heard");
    drop(analyst);
    monitor.publish_acknowledged(ANALYST, "kept").await;
    let (mut analyst, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present, "with its subscription");
    assert_eq!(text(&analyst.message().await), "kept");
    let mut short = connect("analyst_3");
    short.clean_session = true;
    assert_eq!(code(&lmq, short).await, Some(ConnectReturnCode::Success));
}

#[tokio::test]
async fn a_l13_what_is_not_acknowledged_comes_again() {
    for (flag, expected) in [
        (DupFlag::Honest, [false, true, true]),
        (DupFlag::Always0, [false; 3]),
        (DupFlag::Always1, [true; 3]),
    ] {
        let lmq = start(|behaviour| {
            behaviour.dup_flag = flag;
            behaviour.redeliver = Some(Duration::from_millis(50));
        });
        let lmq = lmq.await;
        let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
        let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
        monitor.publish_acknowledged(ANALYST, "task").await;
        let mut id = None;
        for dup in expected {
            let message = analyst.unacknowledged().await;
            assert_eq!((text(&message), message.dup), ("task", dup));
            assert_eq!(*id.get_or_insert(message.pkid), message.pkid);
        }
        analyst.send(Packet::PubAck(PubAck::new(id.unwrap()))).await;
        // One may have been on its way.
        while let Some(packet) = analyst.soon().await {
            assert!(matches!(packet, Packet::Publish(_)));
        }
        let again = lmq.count(What::Redelivered);
        assert_eq!(analyst.soon().await, None);
        assert_eq!(
            (again, lmq.count(What::Acknowledged)),
            (lmq.count(What::Redelivered), 1)
        );
    }
}

#[tokio::test]
async fn without_redelivery_it_comes_with_the_next_connection() {
    let lmq = start(|behaviour| {
        behaviour.redeliver = None;
        behaviour.visible = (Duration::from_millis(100), Duration::from_millis(200));
    });
    let lmq = lmq.await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    let (mut analyst, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(!is_present);
    monitor.publish_acknowledged(ANALYST, "task").await;
    assert!(!analyst.unacknowledged().await.dup);
    assert_eq!(analyst.soon().await, None);
    drop(analyst);
    let (mut analyst, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present);
    let message = analyst.message().await;
    assert_eq!((text(&message), message.dup), ("task", true));
    analyst.is_silent().await;
    drop(analyst);
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    assert_eq!(analyst.soon().await, None, "it was acknowledged");
}

#[tokio::test]
async fn a_l12_messages_are_kept_for_those_who_are_away() {
    let lmq = start(|behaviour| {
        behaviour.visible = (Duration::from_millis(200), Duration::from_millis(200));
        (behaviour.batch, behaviour.batch_every) = (2, Duration::from_millis(200));
        behaviour.max_rate = 1_000;
    });
    let lmq = lmq.await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor
        .publish_acknowledged(ANALYST, "before it was ever there")
        .await;
    drop(Client::login(&lmq, ANALYST).await);
    while lmq.count(What::Closed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let kept = Instant::now();
    for nth in 0..5 {
        monitor
            .publish_acknowledged(ANALYST, &nth.to_string())
            .await;
    }
    monitor
        .publish(ANALYST, QoS::AtMostOnce, "not of quality 1")
        .await;
    monitor.is_silent().await;
    let (mut analyst, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present);
    for nth in 0..5 {
        assert_eq!(text(&analyst.message().await), nth.to_string());
    }
    assert!(
        kept.elapsed() >= Duration::from_millis(600),
        "in three batches"
    );
    assert_eq!((lmq.count(What::Kept), lmq.count(What::Lost)), (5, 2));
    // A clean session forgets.
    drop(analyst);
    while lmq.count(What::Closed) == 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    monitor.publish_acknowledged(ANALYST, "forgotten").await;
    let mut clean = connect(ANALYST);
    clean.clean_session = true;
    let (mut analyst, ack) = Client::login_with(lmq.address(), clean).await;
    assert!(!ack.unwrap().session_present);
    assert_eq!(analyst.soon().await, None);
    drop(analyst);
    let (_, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(!is_present);
    lmq.change(|behaviour| behaviour.offline = false).await;
}

#[tokio::test]
async fn nothing_is_kept_if_that_is_off() {
    let lmq = start(|behaviour| behaviour.offline = false).await;
    drop(Client::login(&lmq, ANALYST).await);
    while lmq.count(What::Closed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "lost").await;
    monitor.is_silent().await;
    assert_eq!((lmq.count(What::Kept), lmq.count(What::Lost)), (0, 1));
}
