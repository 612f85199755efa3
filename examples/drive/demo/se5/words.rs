//! What the SE5 lane says, in English and Chinese.

use crate::demo::view::{self, Flow, Lane, Text, Tone, text};
use se5_events::platform::{Assurance, Cause, Freshness, Link, OpenReason};
use se5_events::{DeviceInfo, Dialect, PersonType};
use std::time::Duration;

pub(super) fn lane() -> Lane {
    Lane {
        id: "se5",
        title: text(
            "SE5 face events · se5-events",
            "SE5 人脸实时事件 · se5-events",
        ),
        about: text(
            "An AI box pushes who passes its cameras over WebSocket, once, to whoever is connected. \
             The subscriber notices what it missed and fetches it from the box's history.",
            "AI 盒子经 WebSocket 实时推送摄像头前的来人，只推一次，只推给在线者。\
             订阅端会察觉漏掉的事件，并从盒子的历史记录中补取。",
        ),
    }
}

pub(super) fn flow(
    id: &'static str,
    dialect: Dialect,
    ws: &str,
    http: &str,
    cameras: &[DeviceInfo],
) -> Flow {
    let title = match dialect {
        Dialect::V1 => text("Dialect 1, nested events", "方言 1：嵌套事件"),
        Dialect::V2 => text("Dialect 2, flat events", "方言 2：扁平事件"),
    };
    let flow = Flow::new(id, "se5", title)
        .counter("sent", text("sent", "盒子已发"), Tone::Plain)
        .counter("arrived", text("arrived", "已收到"), Tone::Good)
        .counter("backfilled", text("fetched later", "事后补取"), Tone::Warn)
        .counter("duplicates", text("held back", "重复已拦"), Tone::Plain)
        .counter("malformed", text("malformed", "格式损坏"), Tone::Warn)
        .counter("lost", text("lost", "丢失"), Tone::Bad);
    let mut flow = snippets(switches(flow), dialect, ws, http, cameras);
    flow.ends[0].title = text("SE5 box", "SE5 盒子");
    let [ws_port, http_port] = [ws, http].map(|url| url.rsplit(':').next().unwrap_or_default());
    flow.ends[0].address = Text::same(format!("ws :{ws_port} · http :{http_port}"));
    flow.ends[1].title = text("Subscriber", "订阅端");
    let count = cameras.len();
    flow.ends[1].address = text(
        format!("{count} cameras, with pictures"),
        format!("{count} 路摄像头，含图片"),
    );
    flow.link = link(Link::Idle, Assurance::TcpOnly, None);
    flow
}

fn switches(flow: Flow) -> Flow {
    flow.toggle(
        "cut",
        text("Cut the link", "切断连接"),
        text("No connection for four seconds", "断开四秒"),
    )
    .toggle(
        "silent",
        text("Half-open", "半开连接"),
        text(
            "The box says nothing more but keeps TCP open",
            "盒子不再发声，但 TCP 仍保持连接",
        ),
    )
    .toggle(
        "slow",
        text("Slow link", "慢速链路"),
        text("12 kB a second", "每秒 12 kB"),
    )
    .toggle(
        "clock",
        text("Clock +1 h", "时钟快 1 小时"),
        text("The box's clock is an hour ahead", "盒子的时钟快一小时"),
    )
    .toggle(
        "truncated",
        text("Truncated JSON", "截断 JSON"),
        text(
            "Every third message is cut off; the history has it whole",
            "每三条消息有一条被截断；历史记录中是完整的",
        ),
    )
    .toggle(
        "duplicate",
        text("Send twice", "重复发送"),
        text("Every other event is sent twice", "约半数事件发送两次"),
    )
    .toggle(
        "broken",
        text("Break the history", "历史接口故障"),
        text(
            "History questions are answered with status 500",
            "历史查询一律返回 500",
        ),
    )
    .press(
        "reboot",
        text("Reboot", "重启盒子"),
        text(
            "Drops every link; the history is kept",
            "断开所有连接，历史记录保留",
        ),
    )
    .press(
        "again",
        text("Fetch the last 2 min", "重新补取 2 分钟"),
        text(
            "Asks the history again; what is known already is held back",
            "再次查询历史；已收到的不会重复交付",
        ),
    )
}

fn snippets(flow: Flow, dialect: Dialect, ws: &str, http: &str, cameras: &[DeviceInfo]) -> Flow {
    let ids: Vec<String> = cameras.iter().map(|one| format!("{:?}", one.id)).collect();
    let list = ids.join(", ");
    let (devices, history, [face, registered, listed]) = match dialect {
        Dialect::V1 => (
            format!("curl -s {http}/SophonDevice/api/Devices\n"),
            format!(
                "curl -s \"{http}/SophonFace/api/events?datetime_gte=$(($(date +%s) - 60))\
                 &datetime_lte=$(date +%s)&page=0&per_page=50\"\n"
            ),
            ["need_face", "need_register", "event_list"],
        ),
        Dialect::V2 => (
            format!(
                "curl -s {http}/sophon/v2/face/getmediadevices \\\n  \
                 -H 'Content-Type: application/json' -d '{{}}'\n"
            ),
            format!(
                "curl -s {http}/sophon/v2/face/getevents -H 'Content-Type: application/json' \\\n  \
                 -d '{{\"filters\":{{\"datetime_gte\":'$(($(date +%s%3N) - 60000))',\
                 \"datetime_lte\":'$(date +%s%3N)'}},\"page_limit\":50,\"page_index\":0}}'\n"
            ),
            ["with_face_image", "with_register_image", "media_device_ids"],
        ),
    };
    let python = format!(
        "import json\n\
         from websocket import create_connection  # pip install websocket-client\n\n\
         box = create_connection({ws:?})\n\
         box.send(json.dumps({{\n    \
             {face:?}: True,\n    {registered:?}: False,\n    {listed:?}: [{list}],\n}}))\n\
         while True:\n    \
             event = json.loads(box.recv())\n    \
             print(event[\"timestamp\"], event[\"identity_name\"], event[\"score\"])\n"
    );
    let ours = format!(
        "cargo run --release --example se5_subscribe -- {ws} --http {http} --faces --count 10\n"
    );
    flow.snippet(text("Device list", "设备列表"), "curl", devices)
        .snippet(text("History", "历史记录"), "curl", history)
        .snippet(text("Live events", "实时事件"), "Python", python)
        .snippet(text("Live events", "实时事件"), "Rust", ours)
}

pub(super) fn link(link: Link, assurance: Assurance, cause: Option<Cause>) -> view::Link {
    let (state, tone) = match link {
        Link::Idle => (text("idle", "空闲"), Tone::Plain),
        Link::Probing => (text("asking for the dialect", "探测方言"), Tone::Warn),
        Link::Dialing => (text("dialing", "正在连接"), Tone::Warn),
        Link::Unconfirmed => (text("subscribed, not proven", "已订阅，待证实"), Tone::Warn),
        Link::Streaming => (text("streaming", "接收中"), Tone::Good),
        Link::Suspect => (text("silent, being checked", "无声，核实中"), Tone::Warn),
        Link::Waiting => (text("lost, will redial", "已断开，待重连"), Tone::Bad),
        _ => (text("closed", "已关闭"), Tone::Bad),
    };
    let proof = match (link, cause, assurance) {
        (Link::Waiting, Some(cause), _) => self::cause(cause),
        (Link::Unconfirmed | Link::Streaming | Link::Suspect, _, proof) => match proof {
            Assurance::Event => text("proof: events come", "依据：有事件到达"),
            Assurance::Pong => text("proof: answers pings", "依据：应答 Ping"),
            Assurance::HttpOnly => text("proof: answers HTTP", "依据：应答 HTTP"),
            _ => text("proof: TCP only", "依据：仅 TCP 连接"),
        },
        _ => Text::default(),
    };
    view::Link::new(state, proof, tone)
}

fn cause(cause: Cause) -> Text {
    match cause {
        Cause::Refused => text("connection refused", "连接被拒绝"),
        Cause::Unreachable => text("unreachable", "无法到达"),
        Cause::Timeout => text("no answer in time", "应答超时"),
        Cause::Handshake(status) => Text::same(format!("HTTP {status}")),
        Cause::Eof => text("box closed TCP", "盒子关闭了 TCP"),
        Cause::Close(code) => Text::same(format!("close {code}")),
        Cause::Oversize => text("message too long", "消息过长"),
        Cause::NotUtf8 => text("not UTF-8", "非 UTF-8 文本"),
        Cause::Silent => text("silent for too long", "长时间无声"),
        Cause::Stopped => text("closed by us", "由我方关闭"),
        _ => text("connection broke", "连接中断"),
    }
}

pub(super) fn open_reason(why: OpenReason) -> Text {
    match why {
        OpenReason::Off => text("repair is off", "未启用补取"),
        OpenReason::NoAnswer => text("history does not answer", "历史接口无应答"),
        OpenReason::Refused => text("history refuses", "历史接口拒绝"),
        OpenReason::TooOld => text("too long ago", "时间过久"),
        OpenReason::TooMany => text("too many events", "事件过多"),
        _ => text("closed before", "已先行关闭"),
    }
}

pub(super) fn clock_skew(millis: i64) -> Text {
    let by = rounded(Duration::from_millis(millis.unsigned_abs()));
    let (en, zh) = if millis < 0 {
        ("behind", "慢")
    } else {
        ("ahead", "快")
    };
    text(
        format!("the box's clock is {} {en}", by.en),
        format!("盒子的时钟{zh} {}", by.zh),
    )
}

pub(super) fn person(kind: &PersonType) -> (Text, Tone) {
    match kind {
        PersonType::Employee => (text("employee", "员工"), Tone::Plain),
        PersonType::Visitor => (text("visitor", "访客"), Tone::Plain),
        PersonType::Blacklist => (text("blacklist", "黑名单"), Tone::Bad),
        PersonType::Stranger => (text("stranger", "陌生人"), Tone::Warn),
        PersonType::Vip => (text("VIP", "贵宾"), Tone::Good),
        other => (Text::same(other.word().to_owned()), Tone::Warn),
    }
}

/// Nothing is said of what is live: that is as it should be.
pub(super) fn freshness(freshness: Freshness) -> Option<(Text, Tone)> {
    match freshness {
        Freshness::Live => None,
        Freshness::Late(by) => {
            let by = rounded(by);
            let late = text(format!("{} late", by.en), format!("迟到 {}", by.zh));
            Some((late, Tone::Warn))
        }
        Freshness::Future(by) => {
            let by = rounded(by);
            let early = text(format!("{} ahead", by.en), format!("超前 {}", by.zh));
            Some((early, Tone::Bad))
        }
        _ => Some((text("no time", "无时间"), Tone::Warn)),
    }
}

/// A time in the largest unit that fits twice.
fn rounded(time: Duration) -> Text {
    match (time.as_secs() + 30) / 60 {
        0 | 1 => {
            let seconds = time.as_secs();
            text(format!("{seconds} s"), format!("{seconds} 秒"))
        }
        minutes => text(format!("{minutes} min"), format!("{minutes} 分钟")),
    }
}
