//! Every sample of the vendor's document, as it stands there, typos included.

use bytes::Bytes;
use zzw_push_proto::rest::{Page, Post, RestCall, RestReply, RestRequest};
use zzw_push_proto::rooms::{DeviceKind, Role, RoomKind, RoomPath};
use zzw_push_proto::socketio::EventName;
use zzw_push_proto::wire::*;
use zzw_push_proto::{WireError, WireErrorKind};

fn line(json: &str) -> Message {
    Message::decode(json.to_owned().into(), Lenience::Vendor)
        .unwrap_or_else(|error| panic!("{json}: {error}"))
        .message
}

fn event(name: &str, json: &str) -> Message {
    let kind = MessageKind::of_event(EventName::of(name).unwrap());
    Message::decode_event(kind, json.to_owned().into(), Lenience::Vendor)
        .unwrap_or_else(|error| panic!("{json}: {error}"))
        .message
}

fn written(message: &Message) -> String {
    let mut out = Vec::new();
    message.encode(&mut out);
    String::from_utf8(out).unwrap()
}

/// Reads `sample` from both transports and writes it as `expected`.
fn both(name: &str, sample: &str, expected: &str) -> Message {
    let message = line(sample);
    assert_eq!(event(name, sample), message, "{sample}");
    assert_eq!(written(&message), expected);
    assert_eq!(line(expected), message, "{expected}");
    let kind = message.kind().unwrap();
    assert!(kind == MessageKind::Failure || kind.event().map(EventName::as_str) == Some(name));
    message
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A message MUST be written as strict JSON on one line, with its type first if it has one.
fn type_1_is_a_heartbeat() {
    both(
        "heartbeat",
        r#"{ "t":1, "alias":"别名" }"#,
        r#"{"t":1,"alias":"别名"}"#,
    );
    both(
        "heartbeat",
        "{'t': 1,'alias': 'alias'}",
        r#"{"t":1,"alias":"alias"}"#,
    );
    both(
        "heartbeat_c",
        "{'t': -1,'alias': 'alias'}",
        r#"{"t":-1,"alias":"alias"}"#,
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#lenience
//# A lenient reader MUST repair single quotes around texts, full-width commas and commas that are
//# missing between members.
//= docs/spec/zzw-push-proto.md#lenience
//# A message that was repaired MUST be told from one that was not.
//= docs/spec/zzw-push-proto.md#lenience
//# A strict reader MUST NOT repair anything.
fn the_comma_that_the_document_forgets_is_put_back() {
    let sample = r#"{ "t":-1 "alias":"别名" }"#;
    both("heartbeat_c", sample, r#"{"t":-1,"alias":"别名"}"#);
    let decoded = Message::decode(sample.into(), Lenience::Vendor).unwrap();
    assert!(decoded.is_repaired);
    let error = Message::decode(sample.into(), Lenience::Strict).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::NotJson { offset: 9 });
}

#[test]
fn type_2_registers() {
    let message = both(
        "register",
        r#"{ "t":2, "topic":["频道"], "num":"" }"#,
        r#"{"t":2,"topic":["频道"],"num":""}"#,
    );
    let Message::Register(register) = message else {
        panic!("{message:?}");
    };
    assert_eq!(register.num, Num::new(""));
    assert!(register.topics.iter().eq(["频道"]));
    let message = both(
        "register",
        r#"{ "t":2, "topic":["频道"],"info":{"communityId":"小区id","name":"设备名称"},"num":"1700000000000" }"#,
        r#"{"t":2,"topic":["频道"],"info":{"communityId":"小区id","name":"设备名称"},"num":"1700000000000"}"#,
    );
    let Message::Register(register) = message else {
        panic!("{message:?}");
    };
    let info = register.info.unwrap();
    assert_eq!(info.community_id, Some("小区id".into()));
    assert_eq!(info.name, Some("设备名称".into()));
    // The sample's number is prose with a full-width comma in it, which is no comma of JSON.
    let prose = r#"{"t":2,"topic":["频道"],"num":"号，1700"}"#;
    both("register", prose, prose);
    both(
        "register_c",
        r#"{ "t":-2, "num":"" }"#,
        r#"{"t":-2,"num":""}"#,
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#number-and-failure
//# A failure without a code, or with one that nobody knows, MUST be read.
//= docs/spec/zzw-push-proto.md#number-and-failure
//# An event of a reply that carries type 0 MUST be read as a failure.
fn type_0_is_a_failure_under_the_name_of_any_reply() {
    let replies = [
        "register_c",
        "do_push_c",
        "push_c",
        "pull_c",
        "info_status_c",
    ];
    for name in replies {
        let message = both(
            name,
            r#"{ "t":0, "error":"错误信息", "num":"" }"#,
            r#"{"t":0,"error":"错误信息","num":""}"#,
        );
        let Message::Failure(failure) = message else {
            panic!("{message:?}");
        };
        assert_eq!((failure.error, failure.code), ("错误信息".into(), None));
    }
    both(
        "do_push_c",
        "{'t':0,'error':'Error Message','num':'num'}",
        r#"{"t":0,"error":"Error Message","num":"num"}"#,
    );
    let message = line(r#"{ "t":0, "error":"参数不全" }"#);
    assert_eq!(message.num(), &Num::Absent);
    assert_eq!(Code::Missing.text(), "参数不全");
}

#[test]
fn type_3_asks_for_the_topics() {
    both("get_topic", r#"{ "t":3, "num":"" }"#, r#"{"t":3,"num":""}"#);
    let message = both(
        "get_topic_c",
        r#"{ "t":-3, "num":"", "topic":[""] }"#,
        r#"{"t":-3,"num":"","topic":[""]}"#,
    );
    let Message::TopicList(list) = message else {
        panic!("{message:?}");
    };
    assert_eq!(list.topics.len(), 1);
}

#[test]
fn type_4_pulls() {
    both("pull", r#"{ "t":4, "num":"" }"#, r#"{"t":4,"num":""}"#);
    both(
        "pull",
        "{'t': 4, 'alias': 'alias', 'num':5}",
        r#"{"t":4,"alias":"alias","num":5}"#,
    );
    let message = both(
        "pull_c",
        r#"{ "t":-4, "msg":["消息内容"], "num":"" }"#,
        r#"{"t":-4,"msg":["消息内容"],"num":""}"#,
    );
    let Message::Batch(batch) = message else {
        panic!("{message:?}");
    };
    assert!(batch.bodies.iter().eq(["消息内容".into()]));
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A JSON null MUST be read as no message at all and never be written as one.
fn type_minus_5_acknowledges_and_null_is_no_answer() {
    both(
        "push_c",
        "{'t':-5,'alias':'alias','mid':'mid'}",
        r#"{"t":-5,"alias":"alias","mid":"mid"}"#,
    );
    both(
        "push_c",
        r#"{ "t":-5, "mid":"消息id" }"#,
        r#"{"t":-5,"mid":"消息id"}"#,
    );
    assert_eq!(event("push_c", "null"), Message::Null);
    assert_eq!(line(" null "), Message::Null);
    assert_eq!(written(&Message::Null), "");
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# A delivery MUST be written with its alias, its id in `mid` and its body in `msg`, and with its
//# topic if it was published to one.
//= docs/spec/zzw-push-proto.md#message
//# The body of a message MUST be any JSON value and be delivered as the text it was published in,
//# but for line breaks between its tokens.
fn type_5_delivers_with_and_without_a_topic() {
    both(
        "push",
        r#"{"t":5,"alias":"m_2","mid":"7","msg":{"a": [1]}}"#,
        r#"{"t":5,"alias":"m_2","mid":"7","msg":{"a": [1]}}"#,
    );
    both(
        "push",
        r#"{"t":5,"topic":"c_2","msg":"x","mid":7,"alias":"m_2"}"#,
        r#"{"t":5,"alias":"m_2","mid":7,"msg":"x","topic":"c_2"}"#,
    );
}

#[test]
fn type_6_publishes_on_every_way_in() {
    let samples = [
        (
            r#"{ "t":6, "method":"publish", "topic":["频道"], "msg":"消息内容","opts":{ "time_to_live":60 }, "num":"" }"#,
            r#"{"t":6,"method":"publish","topic":["频道"],"msg":"消息内容","opts":{"time_to_live":60},"num":""}"#,
        ),
        (
            r#"{ "t":6, "method":"publish_to_alias", "alias":["别名"],"msg":"消息内容", "opts":{ "time_to_live":60 }, "num":"" }"#,
            r#"{"t":6,"method":"publish_to_alias","alias":["别名"],"msg":"消息内容","opts":{"time_to_live":60},"num":""}"#,
        ),
    ];
    for (sample, expected) in samples {
        let message = both("do_push", sample, expected);
        let posted = Post::decode(sample.into(), Lenience::Strict).unwrap();
        assert_eq!(posted.message, message);
        let Message::Publish(publish) = message else {
            panic!("{message:?}");
        };
        assert_eq!(publish.ttl(), Ttl::seconds(60));
        assert_eq!(publish.msg.to_text().as_deref(), Some("消息内容"));
    }
    both(
        "do_push",
        "{'t':6, 'method':'publish', 'topic': ['a'], 'msg': 'm', 'opts':{}, 'num': 1}",
        r#"{"t":6,"method":"publish","topic":["a"],"msg":"m","num":1}"#,
    );
    both(
        "do_push",
        "{'t':6, 'method':'publish_to_alias', 'alias': ['a'], 'msg': {}, 'opts':null, 'num': 1}",
        r#"{"t":6,"method":"publish_to_alias","alias":["a"],"msg":{},"num":1}"#,
    );
    both("do_push_c", "{'t':-6,'num':1}", r#"{"t":-6,"num":1}"#);
}

#[test]
fn the_empty_names_of_the_samples_are_read_and_name_nobody() {
    for (sample, expected) in [
        (
            "{'t':6, 'method':'publish', 'topic': [''], 'msg': 'm', 'opts':{}, 'num': 1}",
            r#"{"t":6,"method":"publish","topic":[""],"msg":"m","num":1}"#,
        ),
        (
            "{'t':6, 'method':'publish_to_alias', 'alias': [''], 'msg': 'm', 'opts':{}, 'num': 1}",
            r#"{"t":6,"method":"publish_to_alias","alias":[""],"msg":"m","num":1}"#,
        ),
    ] {
        let message = both("do_push", sample, expected);
        let Message::Publish(publish) = message else {
            panic!("{message:?}");
        };
        assert!(publish.targets().iter().eq([""]));
        assert!(!publish.targets().iter().any(|name| is_name(&name)));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#number-and-failure
//# A failure MUST be written with type 0, with a text for people in `error` and with a code for
//# programs in `code`.
//= docs/spec/zzw-push-proto.md#number-and-failure
//# A request in which something is missing or empty MUST fail with the document's text `参数不全` and
//# the code `missing`.
//= docs/spec/zzw-push-proto.md#publication
//# A publication for nobody MUST fail as incomplete.
fn an_empty_topic_list_is_an_incomplete_request() {
    let sample = "{'t':6, 'method':'publish', 'topic': [], 'msg': 'm', 'num': 'n'}";
    let error = Message::decode(sample.into(), Lenience::Vendor).unwrap_err();
    assert_eq!(
        written(&Message::Failure(error.to_failure())),
        r#"{"t":0,"error":"参数不全","code":"missing","num":"n"}"#
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# The four counters MUST be read with either case of their first letter and be written in the
//# document's.
//= docs/spec/zzw-push-proto.md#message
//# An object without a type that has the four counters MUST be read as the reply to type 7.
//= docs/spec/zzw-push-proto.md#lenience
//# A lenient reader MUST repair single quotes around texts, full-width commas and commas that are
//# missing between members.
fn type_7_counts_with_its_full_width_comma() {
    let sample = "{\n \"One2OneSize\":1，\n \"One2ManySize\":1,\n \"Many2ManySize\":1,\n \"channelSize\":1\n}";
    let message = line(sample);
    let Message::CountsReply(counts) = &message else {
        panic!("{message:?}");
    };
    assert!(counts.is_bare);
    assert_eq!(
        written(&message),
        r#"{"One2OneSize":1,"One2ManySize":1,"Many2ManySize":1,"channelSize":1}"#
    );
    let counts = Message::CountsReply(Counts::new(1, 2, 3, 4));
    assert_eq!(
        written(&counts),
        r#"{"t":-7,"One2OneSize":1,"One2ManySize":2,"Many2ManySize":3,"channelSize":4}"#
    );
    assert_eq!(line(&written(&counts)), counts);
    assert_eq!(
        line(r#"{"t":7}"#),
        Message::Counts(Numbered::new(Num::Absent))
    );
    assert!(Message::decode(sample.to_owned().into(), Lenience::Strict).is_err());
}

#[test]
fn types_8_to_10_name_a_room_and_a_user() {
    let door = Door::new("xx", "xxx");
    for (t, message) in [
        (8, Message::OpenDoor(door.clone())),
        (9, Message::Phone(door.clone())),
        (10, Message::Door(door)),
    ] {
        let sample = format!("{{ \n \"t\":{t}, \"r\":\"xx\",\n \"u\":\"xxx\"\n}}");
        assert_eq!(line(&sample), message);
        assert_eq!(
            written(&message),
            format!(r#"{{"t":{t},"r":"xx","u":"xxx"}}"#)
        );
    }
    // As the document shows them, without a type, they cannot be told apart.
    let sample = "{ \n \"r\":\"xx\",\n \"u\":\"xxx\"\n}";
    assert!(matches!(
        line(sample),
        Message::Other(Other { t: None, .. })
    ));
}

#[test]
//= docs/spec/zzw-push-proto.md#message
//# The type of a connect frame MUST be read from 14 and from 11.
//= docs/spec/zzw-push-proto.md#message
//# A connect frame MUST be answered with the negated type that it came with.
fn type_11_is_written_14() {
    let message = both_connect("{'t':14,'alias':'xxx'}", ConnectCode::Fourteen);
    assert_eq!(written(&message), r#"{"t":14,"alias":"xxx"}"#);
    let message = both_connect(r#"{"t":"11","alias":"xxx"}"#, ConnectCode::Eleven);
    let Message::Connect(connect) = &message else {
        panic!("{message:?}");
    };
    let reply = Message::Connected(connect.reply(0));
    assert_eq!(written(&reply), r#"{"t":-11,"alias":"xxx"}"#);
    assert_eq!(
        line("{'t':-14,'alias':'xxx'}"),
        Message::Connected(Connect::new("xxx").reply(0))
    );
}

fn both_connect(sample: &str, code: ConnectCode) -> Message {
    let mut connect = Connect::new("xxx");
    connect.code = code;
    let message = Message::Connect(connect);
    assert_eq!(line(sample), message);
    assert_eq!(event("connect", sample), message);
    message
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# The messages of `connect`, `disconnect`, `info_status` and `info_status_c` MUST be written
//# without a type.
fn connect_and_disconnect_events_carry_the_alias_only() {
    let connect = event("connect", "{'alias':'alias'}");
    assert_eq!(connect, Message::Connect(Connect::new("alias")));
    let mut out = Vec::new();
    connect.encode_event(&mut out);
    assert_eq!(out, br#"{"alias":"alias"}"#);
    let goodbye = event("disconnect", "{'alias':'alias'}");
    assert_eq!(goodbye, Message::Goodbye(Goodbye::new("alias")));
    assert_eq!(written(&goodbye), r#"{"alias":"alias"}"#);
}

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# The messages of `connect`, `disconnect`, `info_status` and `info_status_c` MUST be written
//# without a type.
fn info_status_tells_how_somebody_is() {
    let asked = event("info_status", "{'alias': 'alias'}");
    assert_eq!(asked, Message::Status(StatusRequest::new("alias")));
    assert_eq!(written(&asked), r#"{"alias":"alias"}"#);
    let expected = r#"{"alias":"alias","list":["m_2","c_2"],"status":"online"}"#;
    let told = event("info_status_c", expected);
    let topics = Texts::from_iter(["m_2", "c_2"]);
    let status = Status::new(Some("alias".into()), topics, true);
    assert_eq!(told, Message::StatusReply(status));
    assert_eq!(written(&told), expected);
}

#[test]
//= docs/spec/zzw-push-proto.md#lenience
//# A missing quote MUST NOT be repaired.
fn the_quote_that_the_document_forgets_is_its_own_typo() {
    let sample = r#"{"alias":"alias",list":["m_2","c_2"],"status":"online"}"#;
    for lenience in [Lenience::Vendor, Lenience::Strict] {
        let read = Message::decode_event(MessageKind::StatusReply, sample.into(), lenience);
        assert!(matches!(
            read,
            Err(WireError {
                kind: WireErrorKind::NotJson { offset: 17 },
                ..
            })
        ));
    }
}

/// Reads the answer to `path`, and writes it as `expected`.
fn answer(method: &str, path: &str, sample: &str, expected: &str) -> RestReply {
    let request = RestRequest::parse(method, path, Lenience::Strict).unwrap();
    let sample = Bytes::from(sample.to_owned());
    let reply = RestReply::decode(&request.call, sample, Lenience::Strict).unwrap();
    let mut out = Vec::new();
    reply.encode(&mut out);
    assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
    let again = RestReply::decode(&request.call, out.into(), Lenience::Strict).unwrap();
    assert_eq!(again, reply);
    reply
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# An answer MUST be read as a failure if its type is 0, whatever its status.
fn rest_publishes() {
    answer(
        "POST",
        "/push/00ff",
        r#"{"t":-6,"num":1}"#,
        r#"{"t":-6,"num":1}"#,
    );
    let reply = answer(
        "POST",
        "/push/00ff",
        r#"{"t":0,"error":"error Message","num":1}"#,
        r#"{"t":0,"error":"error Message","num":1}"#,
    );
    assert_eq!(reply.status(), 200);
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# The number in `onlineAllSize` MUST be the sum of the other three.
fn rest_tells_about_the_cluster() {
    let sample = r#"{
            "10.0.0.215":{"webSocketSize":0,"channelSize":0,"onlineAllSize":0,"socketIOSize":0},
            "10.0.0.214":{"webSocketSize":0,"channelSize":0,"onlineAllSize":1,"socketIOSize":1}
        }"#;
    let compact: String = sample.split_whitespace().collect();
    let reply = answer("GET", "/info/00ff", sample, &compact);
    let RestReply::Info(info) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(info.nodes.len(), 2);
    assert_eq!(
        info.nodes.last(),
        Some(&("10.0.0.214".into(), NodeCounts::new(0, 0, 1)))
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#rest
//# The paths `/servers/{token}` and `/info/servers/{token}` MUST be the same call.
fn rest_tells_where_to_connect() {
    let sample = r#"{
            "service":{
                        "rest":9900,
                        "webSocket":9000,
                        "socket":9906,
                        "push":9800
                        },
            "host":"10.0.0.215"
        }"#;
    let compact: String = sample.split_whitespace().collect();
    let expected = RestReply::Servers(Servers::new("10.0.0.215", Service::default()));
    for path in ["/info/servers/00ff", "/servers/00ff"] {
        assert_eq!(answer("GET", path, sample, &compact), expected);
    }
}

#[test]
fn rest_tells_how_somebody_is() {
    let sample = r#"{"list":["m_2","c_2"],"status":"online"}"#;
    let reply = answer("GET", "/info/status/m_2/00ff", sample, sample);
    let topics = Texts::from_iter(["m_2", "c_2"]);
    assert_eq!(reply, RestReply::Status(Status::new(None, topics, true)));
}

#[test]
fn rest_tells_who_is_connected() {
    let sample = r#"{"total":0,"list":[]}"#;
    answer("GET", "/info/allChannelAlias/1/00ff", sample, sample);
    let sample = r#"{"total":1,"list":["test"]}"#;
    let reply = answer("GET", "/info/allSocketIOAlias/1/00ff", sample, sample);
    let page = AliasPage::new(1, Texts::from_iter(["test"]));
    assert_eq!(reply, RestReply::Aliases(page));
    let request =
        RestRequest::parse("GET", "/info/allSocketIOAlias/1/00ff", Lenience::Strict).unwrap();
    assert_eq!(request.call, RestCall::SocketIoAliases(Page::new(1)));
}

#[test]
fn rooms_are_entered_by_their_addresses() {
    for (d, role) in [("0", Role::Zero), ("1", Role::One)] {
        let target = format!("http://192.0.2.1:9000/capture-3-12-1/{d}");
        let path = RoomPath::parse(&target).unwrap();
        assert_eq!(path, RoomPath::capture("3", "12", "1", role).unwrap());
        assert_eq!(path.kind(), RoomKind::OneToMany);
        for (device, kind) in [("android", DeviceKind::Android), ("ios", DeviceKind::Ios)] {
            let target = format!("http://call.example.com/1203/{d}/{device}");
            let path = RoomPath::parse(&target).unwrap();
            assert_eq!(path, RoomPath::call("1203", role, kind).unwrap());
            assert_eq!(path.kind(), RoomKind::OneToOne);
            assert_eq!(path.to_string(), format!("/1203/{d}/{device}"));
        }
    }
}
