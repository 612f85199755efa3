//! What stands on the wire, packet by packet.

use crate::kit::{
    Poller, Raw, Witness, http, metric, server, server_with, wait_for, wait_until_open,
};
use crate::programs::Folder;
use drive::ws::Message;
use std::time::Duration;
use xtea_token::UnixSeconds;
use xtea_token::v2::{MacKey, Scope, Ticket};
use zzw_push_proto::platform::ClientToken;

#[tokio::test(flavor = "multi_thread")]
//= docs/spec/zzw-push-proto.md#socket-io
//# A server MUST send a DISCONNECT packet to a client that has said goodbye or was replaced, and
//# MUST NOT send one to a client that is to come back.
async fn a_raw_websocket_of_revision_3_connects_beats_and_leaves_by_events() {
    let server = server().await;
    let mut raw = Raw::dial(&server, "EIO=3").await;
    assert_eq!(raw.hear().await, "40");
    let connected = r#"42["connect_c",{"t":-14,"alias":"小明"}]"#;
    assert_eq!(
        raw.ask(r#"42["connect",{"alias":"小明"}]"#).await,
        connected
    );
    assert_eq!(raw.ask("2").await, "3");
    let beat = r#"42["heartbeat_c",{"t":-1,"alias":"小明"}]"#;
    assert_eq!(
        raw.ask(r#"42["heartbeat",{"t":1,"alias":"小明"}]"#).await,
        beat
    );
    // With everything left out that may be.
    assert_eq!(raw.ask(r#"42["heartbeat"]"#).await, beat);
    assert!(server.is_online(&"小明".into()));
    assert_eq!(raw.ask(r#"42["disconnect",{"alias":"小明"}]"#).await, "41");
    wait_for(&server, "online_aliases", 0).await;
    // We stay: so the server ends it.
    assert!(raw.is_left().await);
}

#[tokio::test(flavor = "multi_thread")]
//= docs/spec/zzw-push-proto.md#socket-io
//# What `auth` says MUST count before what the query says.
//= docs/spec/zzw-push-proto.md#socket-io
//# A DISCONNECT packet from a client MUST count as its goodbye.
async fn a_raw_websocket_of_revision_4_is_connected_when_it_asks_for_it() {
    let server = server().await;
    let mut raw = Raw::dial(&server, "EIO=4&alias=query").await;
    let answer = raw.ask(r#"40{"alias":"auth","token":""}"#).await;
    assert!(answer.starts_with(r#"40{"sid":""#), "{answer}");
    // What `auth` says counts before the query (Z-25).
    assert_eq!(
        raw.hear().await,
        r#"42["connect_c",{"t":-14,"alias":"auth"}]"#
    );
    // The packet does the same as the event.
    assert_eq!(raw.ask("41").await, "41");
    assert!(raw.is_left().await);
    let mut early = Raw::dial(&server, "EIO=4").await;
    early.say(r#"42["heartbeat",{"alias":"early"}]"#).await;
    assert!(early.is_left().await, "namespace / was not connected");
    let mut twice = Raw::bound(&server, 4, "twice").await;
    twice.say("40").await;
    assert!(twice.is_left().await);
    wait_for(&server, "socketio_links", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
//= docs/spec/zzw-push-proto.md#socket-io
//# The object of a reply MUST be sent as the acknowledgement, too, where the event asks for one,
//# and an empty acknowledgement where there is no reply.
//= docs/spec/zzw-push-proto.md#socket-io
//# A failure MUST be sent under the name of the reply, also if nothing but the name of the request
//# is known.
async fn replies_failures_and_silence_are_acknowledged_where_that_is_asked_for() {
    let server = server().await;
    let mut raw = Raw::bound(&server, 4, "m_2").await;
    for (asked, event, reply) in [
        (
            r#"420["heartbeat",{"alias":"m_2"}]"#,
            "heartbeat_c",
            r#"{"t":-1,"alias":"m_2"}"#,
        ),
        (
            r#"421["heartbeat",{"alias":"c_2"}]"#,
            "heartbeat_c",
            r#"{"t":0,"error":"the link has another alias","code":"alias_mismatch"}"#,
        ),
        (
            r#"422["register",{"topic":"t","num":7}]"#,
            "register_c",
            r#"{"t":-2,"num":7}"#,
        ),
        (
            r#"423["pull",{"alias":"c_2","num":""}]"#,
            "pull_c",
            r#"{"t":0,"error":"the link has another alias","code":"alias_mismatch","num":""}"#,
        ),
        (
            r#"424["push_c",{"t":-5,"alias":"c_2","mid":"1"}]"#,
            "push_c",
            r#"{"t":0,"error":"the link has another alias","code":"alias_mismatch"}"#,
        ),
        (
            r#"425["do_push",{"msg":1}]"#,
            "do_push_c",
            r#"{"t":0,"error":"参数不全","code":"missing"}"#,
        ),
        (
            r#"429007199254740991["门",{"num":"x"}]"#,
            "门_c",
            r#"{"t":0,"error":"unknown type","code":"unknown_type","num":"x"}"#,
        ),
    ] {
        let id: String = asked
            .chars()
            .skip(2)
            .take_while(char::is_ascii_digit)
            .collect();
        assert_eq!(raw.ask(asked).await, format!(r#"42["{event}",{reply}]"#));
        assert_eq!(raw.hear().await, format!("43{id}[{reply}]"));
    }
    // An acknowledgement of nothing is answered with nothing.
    assert_eq!(
        raw.ask(r#"4212["push_c",{"t":-5,"mid":"1"}]"#).await,
        "4312[]"
    );
    // Two at once with one number, answered in order.
    raw.say(r#"4213["get_topic",{"num":"1"}]"#).await;
    raw.say(r#"4214["get_topic",{"num":"1"}]"#).await;
    let mut acks = Vec::new();
    for _ in 0..4 {
        acks.push(raw.hear().await);
    }
    acks.retain(|packet| packet.starts_with("43"));
    let topics = r#"[{"t":-3,"num":"1","topic":["t"]}]"#;
    assert_eq!(acks, [format!("4313{topics}"), format!("4314{topics}")]);
    assert_eq!(raw.ask(r#"4215["disconnect",{}]"#).await, "4315[]");
    assert_eq!(raw.hear().await, "41");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_namespaces_are_refused_in_the_words_of_the_revision() {
    let server = server().await;
    let mut old = Raw::bound(&server, 3, "old").await;
    assert_eq!(
        old.ask("40/admin?x=1,").await,
        r#"44/admin,"Invalid namespace""#
    );
    let mut new = Raw::bound(&server, 4, "new").await;
    let refusal = r#"44/admin,{"message":"Invalid namespace"}"#;
    assert_eq!(new.ask(r#"40/admin,{"token":"1"}"#).await, refusal);
    new.say(r#"42/admin,["heartbeat",{}]"#).await;
    let beat = r#"42["heartbeat_c",{"t":-1,"alias":"new"}]"#;
    assert_eq!(new.ask(r#"42["heartbeat",{}]"#).await, beat);
    assert_eq!(metric(&server, "socketio_foreign_total").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_packets_are_dropped_with_their_attachments_and_counted() {
    let server = server().await;
    for eio in [3, 4] {
        let mut raw = Raw::bound(&server, eio, "binary").await;
        raw.say(r#"452-["push",{"_placeholder":true,"num":0}]"#)
            .await;
        raw.send(Message::binary(vec![4, 1, 2])).await;
        raw.send(Message::binary(vec![4, 3, 4])).await;
        let beat = r#"42["heartbeat_c",{"t":-1,"alias":"binary"}]"#;
        assert_eq!(raw.ask(r#"42["heartbeat",{}]"#).await, beat);
    }
    assert_eq!(metric(&server, "socketio_binary_total").await, 2);
    assert_eq!(metric(&server, "socketio_attachments_total").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_of_revision_3_reads_text_encoded_twice_and_writes_none_that_could_be() {
    let server = server().await;
    let witness = Witness::start(server.addresses().push, "witness");
    let poller = Poller::open(&server, "EIO=3&alias=%E5%B0%8F%E6%98%8E").await;
    let (_, first) = poller.get().await;
    // Lengths in UTF-16 units are those in bytes.
    let connected = r#"42["connect_c",{"t":-14,"alias":"\u5c0f\u660e"}]"#;
    assert_eq!(first, format!("2:40{}:{connected}", connected.len()));
    let packet = r#"42["do_push",{"alias":"witness","msg":"小明|门🚪","num":"数"}]"#;
    let twice: String = packet.bytes().map(char::from).collect();
    let payload = format!("{}:{twice}", twice.chars().count());
    assert_eq!(poller.post(&payload).await, (200, "ok".to_owned()));
    let mut fetched = String::new();
    while !fetched.contains("do_push_c") || !fetched.contains("\"push\"") {
        let (status, payload) = poller.get().await;
        assert_eq!(status, 200, "{payload}");
        fetched += &payload;
    }
    assert!(
        fetched.contains(r#"42["do_push_c",{"t":-6,"num":"\u6570"}]"#),
        "{fetched}"
    );
    assert!(
        fetched.contains(r#""msg":"witness|\u95e8\ud83d\udeaa"}]"#),
        "{fetched}"
    );
    assert!(witness.lines()[0].ends_with(r#""msg":"小明|门🚪"}"#));
    assert_eq!(metric(&server, "socketio_folded_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
//= docs/spec/zzw-push-proto.md#socket-io
//# The events of a link MUST be served in the order in which they came.
async fn a_poll_carries_no_more_than_old_clients_take() {
    let server = server().await;
    let poller = Poller::open(&server, "EIO=4&alias=many").await;
    let ask = |number| format!(r#"42["get_topic",{{"num":{number}}}]"#);
    let asked: Vec<String> = (0..100).map(ask).collect();
    poller
        .post(&format!("40\u{1e}{}", asked.join("\u{1e}")))
        .await;
    let mut numbers = Vec::new();
    while numbers.len() < 100 {
        let (_, payload) = poller.get().await;
        let packets: Vec<&str> = payload.split('\u{1e}').collect();
        assert!(packets.len() <= 16, "{}", packets.len());
        let found = packets
            .iter()
            .filter_map(|packet| packet.split_once("\"num\":"));
        numbers.extend(found.filter_map(|(_, rest)| rest.split(',').next()?.parse::<u32>().ok()));
    }
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
//= docs/spec/zzw-push-proto.md#socket-io
//# A server MUST send a DISCONNECT packet to a client that has said goodbye or was replaced, and
//# MUST NOT send one to a client that is to come back.
async fn a_server_that_drains_closes_links_so_that_their_clients_come_back() {
    let server = server_with(|options| options.broker.drain_over = Duration::from_secs(1)).await;
    let mut raw = Raw::bound(&server, 4, "m_2").await;
    let poller = Poller::open(&server, "EIO=3&alias=c_2").await;
    let stopped = tokio::spawn(server.stop());
    let draining = r#"42["connect_c",{"t":0,"error":"draining, connect to another server","code":"draining"}]"#;
    let polling = async {
        let mut fetched = String::new();
        while !fetched.contains("draining") {
            let (status, payload) = poller.get().await;
            assert_eq!(status, 200, "{payload}");
            fetched += &payload;
        }
        fetched
    };
    let listening = async {
        assert_eq!(raw.hear().await, draining);
        // No 41, after which they would not (Z-26).
        assert!(raw.is_left().await);
    };
    let (fetched, ()) = tokio::join!(polling, listening);
    assert!(!fetched.contains(":41"), "{fetched}");
    stopped.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
//= docs/spec/zzw-push-proto.md#socket-io
//# Deliveries MUST be sent under the event `push` unless another name is configured.
async fn deliveries_go_out_under_the_name_that_is_configured() {
    let server = server_with(|options| options.socketio.delivery_event = "消息".to_owned()).await;
    let mut raw = Raw::bound(&server, 3, "m_2").await;
    let published = raw
        .ask(r#"42["do_push",{"alias":"m_2","msg":{"a":[1]},"num":1}]"#)
        .await;
    let heard = [published, raw.hear().await];
    let delivered = heard
        .iter()
        .find(|packet| packet.starts_with(r#"42["消息",{"t":5,"#));
    assert!(
        delivered.unwrap().ends_with(r#""msg":{"a":[1]}}]"#),
        "{heard:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_open_no_link_are_told_why() {
    let server = server_with(|options| options.socketio.links_per_address = 1).await;
    let long = format!(
        "GET /socket.io/?EIO=4&transport=polling&alias={}",
        "a".repeat(5000)
    );
    for (request, status, part) in [
        ("GET /", 404, "/socket.io/"),
        (
            "GET /socket.io-admin/?EIO=4&transport=polling",
            404,
            "/socket.io/",
        ),
        ("GET /socket.io/", 400, r#""code":5"#),
        (
            "GET /socket.io/?EIO=2&transport=polling",
            400,
            r#""code":5"#,
        ),
        (
            "GET /socket.io/?EIO=4&transport=flashsocket",
            400,
            r#""code":0"#,
        ),
        (
            "POST /socket.io/?EIO=4&transport=polling",
            400,
            r#""code":2"#,
        ),
        (
            "GET /socket.io/?EIO=4&transport=polling&sid=none",
            400,
            r#""code":1"#,
        ),
        ("GET /socket.io/?EIO=4&transport=websocket", 426, "ws://"),
        (
            "GET /socket.io/?EIO=4&transport=polling&alias=%ff",
            400,
            "utf-8",
        ),
        (&*long, 400, "4096"),
    ] {
        let (answered, body) = http(server.addresses().socketio, request, "").await;
        assert_eq!(answered, status, "{request}: {body}");
        assert!(body.contains(part), "{request}: {body}");
    }
    let first = Poller::open(&server, "EIO=4").await;
    let (status, _) = http(
        server.addresses().socketio,
        "GET /socket.io/?EIO=4&transport=polling",
        "",
    )
    .await;
    assert_eq!(status, 503);
    first.post("1").await;
    wait_until_open(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_token_may_stand_in_auth_the_query_or_the_first_frame() {
    let server = server_with(|options| {
        options.keys.mac.push(MacKey::new(7, [0x42; 32]));
        options.broker.client_token = ClientToken::Required;
    })
    .await;
    let (own, others) = (token("m_2"), token("c_2"));
    let connected = r#"42["connect_c",{"t":-14,"alias":"m_2"}]"#;
    let failed = r#"42["connect_c",{"t":0,"error":"invalid token","code":"token"}]"#;
    for (query, auth, answer) in [
        (
            String::new(),
            format!(r#"{{"alias":"m_2","token":"{own}"}}"#),
            connected,
        ),
        (format!("&alias=m_2&token={own}"), String::new(), connected),
        (
            format!("&alias=m_2&token={others}"),
            format!(r#"{{"token":"{own}"}}"#),
            connected,
        ),
        (
            format!("&token={own}"),
            r#"{"alias":"m_2"}"#.to_owned(),
            connected,
        ),
        (format!("&alias=m_2&token={others}"), String::new(), failed),
        ("&alias=m_2".to_owned(), String::new(), failed),
    ] {
        let mut raw = Raw::dial(&server, &format!("EIO=4{query}")).await;
        raw.say(&format!("40{auth}")).await;
        assert!(raw.hear().await.starts_with("40{"));
        assert_eq!(raw.hear().await, answer, "{query} {auth}");
    }
    let mut raw = Raw::dial(&server, "EIO=3").await;
    assert_eq!(raw.hear().await, "40");
    let beat = format!(r#"42["heartbeat",{{"alias":"m_2","token":"{own}"}}]"#);
    assert_eq!(raw.ask(&beat).await, connected);
}

fn token(alias: &str) -> String {
    let now = UnixSeconds(drive::cli::now().0 / 1000);
    let ticket = Ticket::new(Scope::CONNECT, now, UnixSeconds(now.0 + 3600), [1; 8]);
    let token = MacKey::new(7, [0x42; 32]).issue_unbound(&ticket.with_subject(alias));
    token.unwrap().as_str().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_disk_answers_links_from_a_thread_of_its_own() {
    let folder = Folder::new("socketio");
    let data = folder.path().to_owned();
    let server = server_with(|options| options.data = Some(data)).await;
    let mut first = Raw::bound(&server, 4, "m_2").await;
    let published = first
        .ask(r#"42["do_push",{"alias":"m_2","msg":"一","num":1}]"#)
        .await;
    let heard = [published, first.hear().await].concat();
    assert!(
        heard.contains(r#"42["do_push_c",{"t":-6,"num":1}]"#),
        "{heard}"
    );
    assert!(heard.contains(r#""msg":"一"}]"#), "{heard}");
    let mut second = Raw::bound(&server, 3, "m_2").await;
    let replaced = r#"42["connect_c",{"t":0,"error":"replaced","code":"replaced"}]"#;
    assert_eq!(first.hear().await, replaced);
    assert_eq!(first.hear().await, "41");
    assert!(second.hear().await.ends_with(r#""msg":"一"}]"#));
    // Its answers come later than what follows.
    second.say(r#"420["get_topic",{"num":1}]"#).await;
    second.say(r#"42["disconnect",{"alias":"c_2"}]"#).await;
    let other = r#"42["disconnect_c",{"t":0,"error":"the link has another alias","code":"alias_mismatch"}]"#;
    let mut heard = vec![
        second.hear().await,
        second.hear().await,
        second.hear().await,
    ];
    heard.sort();
    let topics = r#"{"t":-3,"num":1,"topic":[]}"#;
    assert_eq!(
        heard,
        [
            other,
            &format!(r#"42["get_topic_c",{topics}]"#),
            &format!("430[{topics}]")
        ]
    );
    assert_eq!(
        second.ask(r#"42["disconnect",{"alias":"m_2"}]"#).await,
        "41"
    );
    assert!(second.is_left().await);
    server.stop().await.unwrap();
}
