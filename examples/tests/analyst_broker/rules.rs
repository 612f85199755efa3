//! What clients must not do, and what becomes of those who do.

use super::*;

#[tokio::test]
async fn a_l14_large_payloads_are_lost_silently_or_cost_the_connection() {
    let lmq = start(|_| {}).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor
        .publish_acknowledged(ANALYST, &"x".repeat(65_536))
        .await;
    assert_eq!(analyst.message().await.payload.len(), 65_536);
    monitor
        .publish_acknowledged(ANALYST, &"x".repeat(65_537))
        .await;
    analyst.is_silent().await;
    assert_eq!(lmq.count(What::OverSize), 1);
    lmq.change(|behaviour| behaviour.over_size = OverSize::Close)
        .await;
    monitor
        .publish(ANALYST, QoS::AtLeastOnce, &"x".repeat(65_537))
        .await;
    monitor.is_closed().await;
    // What is larger than any broker reads costs it always.
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor
        .publish(ANALYST, QoS::AtLeastOnce, &"x".repeat(1 << 20))
        .await;
    monitor.is_closed().await;
}

#[tokio::test]
async fn a_l15_messages_that_come_too_fast() {
    for over_rate in [OverRate::Log, OverRate::Drop, OverRate::Close] {
        let lmq = start(|behaviour| {
            behaviour.max_rate = 1;
            behaviour.over_rate = over_rate;
        });
        let lmq = lmq.await;
        let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
        let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
        for _ in 0..2 {
            monitor.publish(ANALYST, QoS::AtMostOnce, "x").await;
        }
        analyst.message().await;
        match over_rate {
            OverRate::Log => drop(analyst.message().await),
            OverRate::Drop => monitor.is_silent().await,
            _ => monitor.is_closed().await,
        }
        analyst.is_silent().await;
        assert_eq!(lmq.count(What::OverRate), 1, "{over_rate:?}");
    }
}

#[tokio::test]
async fn a_l17_kick_old_closes_the_first() {
    let lmq = start(|_| {}).await;
    let (mut first, _) = Client::login(&lmq, ANALYST).await;
    let (mut second, is_present) = Client::login(&lmq, ANALYST).await;
    first.is_closed().await;
    assert!(is_present);
    second.publish(ANALYST, QoS::AtMostOnce, "mine").await;
    assert_eq!(text(&second.message().await), "mine");
}

#[tokio::test]
async fn a_l17_refuse_new_refuses_the_second() {
    let lmq = start(|behaviour| behaviour.duplicate_id = DuplicateId::RefuseNew).await;
    let (mut first, _) = Client::login(&lmq, ANALYST).await;
    let refused = code(&lmq, connect(ANALYST)).await;
    assert_eq!(refused, Some(ConnectReturnCode::BadClientId));
    first.is_silent().await;
}

#[tokio::test]
async fn a_l17_keep_both_serves_both() {
    let lmq = start(|behaviour| behaviour.duplicate_id = DuplicateId::KeepBoth).await;
    let (mut first, _) = Client::login(&lmq, ANALYST).await;
    let (mut second, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "task").await;
    for client in [&mut first, &mut second] {
        assert_eq!(text(&client.message().await), "task");
        client.is_silent().await;
    }
    drop(first);
    monitor.publish_acknowledged(ANALYST, "again").await;
    assert_eq!(text(&second.message().await), "again");
}

#[tokio::test]
async fn a_l17_drop_both_closes_both() {
    let lmq = start(|behaviour| behaviour.duplicate_id = DuplicateId::DropBoth).await;
    let (mut first, _) = Client::login(&lmq, ANALYST).await;
    assert_eq!(code(&lmq, connect(ANALYST)).await, None);
    first.is_closed().await;
    let (mut third, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present);
    third.is_silent().await;
}

#[tokio::test]
async fn a_l6_tokens_have_rights_and_end() {
    let lmq = start(|behaviour| behaviour.token_life = Some(Duration::from_secs(2))).await;
    let with = |password: &str| {
        let mut connect = connect(ANALYST);
        connect.set_login("Token|simulator|lmq", password);
        connect
    };
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    let (mut reader, _) = Client::login_with(lmq.address(), with("R|t")).await;
    monitor.publish_acknowledged(ANALYST, "task").await;
    assert_eq!(text(&reader.message().await), "task");
    reader.publish(MONITOR, QoS::AtMostOnce, "result").await;
    reader.is_closed().await;
    let (mut writer, _) = Client::login_with(lmq.address(), with("W|t")).await;
    monitor.publish_acknowledged(ANALYST, "task").await;
    writer.is_silent().await;
    writer.publish(MONITOR, QoS::AtMostOnce, "result").await;
    assert_eq!(text(&monitor.message().await), "result");
    writer.is_closed().await;
    monitor.is_silent().await;
}

#[tokio::test]
async fn a_l11_what_the_broker_does_not_have_costs_the_connection() {
    let mut options = options();
    options.parent = Some(ParentTopic::new("Analyst").unwrap());
    let lmq = Lmq::start(options).await.unwrap();
    let publish = |topic: &str, qos, retain| {
        let mut publish = Publish::new(topic, qos, "x");
        (publish.pkid, publish.retain) = (u16::from(qos != QoS::AtMostOnce), retain);
        publish
    };
    let long = format!("Analyst/{}", "a".repeat(57));
    for bad in [
        publish("Analyst/x", QoS::ExactlyOnce, false),
        publish("Analyst/x", QoS::AtMostOnce, true),
        publish("Other/x", QoS::AtMostOnce, false),
        publish("Analysts", QoS::AtMostOnce, false),
        publish("$SYS/x", QoS::AtMostOnce, false),
        publish("Analyst/#", QoS::AtMostOnce, false),
        publish(&long, QoS::AtMostOnce, false),
    ] {
        let (mut client, _) = Client::login(&lmq, ANALYST).await;
        let what = format!("{bad:?}");
        client.send(Packet::Publish(bad)).await;
        assert_eq!(client.next().await, None, "{what}");
    }
    let (mut client, _) = Client::login(&lmq, ANALYST).await;
    client
        .send(Packet::Publish(publish(&long[1..], QoS::AtMostOnce, false)))
        .await;
    client.is_closed().await;
    let (mut client, _) = Client::login(&lmq, ANALYST).await;
    client
        .send(Packet::Publish(publish(
            &long[..64],
            QoS::AtMostOnce,
            false,
        )))
        .await;
    client.is_silent().await;
    assert_eq!(lmq.count(What::Rule), 8);
}

#[tokio::test]
async fn a_l16_whoever_is_silent_for_too_long_is_gone() {
    let lmq = start(|_| {}).await;
    let mut short = connect(ANALYST);
    short.keep_alive = 1;
    let (mut client, _) = Client::login_with(lmq.address(), short).await;
    let started = Instant::now();
    client.is_closed().await;
    assert!(started.elapsed() >= Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_client_is_kicked_on_demand() {
    let lmq = start(|_| {}).await;
    let (mut client, _) = Client::login(&lmq, ANALYST).await;
    lmq.kick(&ClientId::new(ANALYST).unwrap()).await;
    client.is_closed().await;
}

#[tokio::test]
async fn what_a_server_would_tell_lets_a_client_in() {
    let lmq = start(|_| {}).await;
    let id = |text| ClientId::new(text).unwrap();
    let info = lmq.info(
        &ParentTopic::new("Analyst").unwrap(),
        &id(ANALYST),
        &id(MONITOR),
    );
    assert_eq!(info.warnings(), []);
    let mut connect = Connect::new(info.client_id.as_str());
    connect.set_login(&*info.user_name, info.password.as_str());
    let at = format!("{}:{}", info.host, info.port).parse().unwrap();
    let (_, ack) = Client::login_with(at, connect).await;
    assert_eq!(ack.map(|ack| ack.code), Some(ConnectReturnCode::Success));
}

#[tokio::test]
async fn garbage_harms_only_who_sends_it() {
    let lmq = start(|_| {}).await;
    let (mut good, _) = Client::login(&lmq, ANALYST).await;
    for bytes in [
        &[0x20, 2, 0, 0][..],
        &[0xff; 64],
        &[0x10, 0],
        &[0x30, 0x80, 0x80, 0x80, 0x80],
    ] {
        let mut client = Client::open(lmq.address()).await;
        client.stream.write_all(bytes).await.unwrap();
        client.is_closed().await;
    }
    good.is_silent().await;
}
