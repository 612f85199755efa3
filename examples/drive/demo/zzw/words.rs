//! What the push lane says, in English and Chinese.

use super::camera;
use crate::demo::view::{self, Fate, Flow, Lane, Tag, Text, Tone, text};
use crate::zzw::device::Via;
use crate::zzw::server::Addresses;

/// The channel that every end is subscribed to.
pub(super) const CHANNEL: &str = "小区公告";
/// Who publishes.
pub(super) const CENTRE: &str = "物业中心";

pub(super) fn lane() -> Lane {
    Lane {
        id: "zzw",
        title: text(
            "Intercom push server · zzw-push-proto",
            "对讲推送服务器 · zzw-push-proto",
        ),
        about: text(
            "One broker behind lines over TCP, Socket.IO, REST and relay rooms. A message is \
             confirmed once it is on the disk, waits there while its alias is away, and arrives \
             once and in order. A door opens now or not at all.",
            "TCP 行协议、Socket.IO、REST 与中继房间共用一个消息核心。消息落盘之后才确认；\
             别名离线时原地等候，上线后按序送达，恰好一次。开门指令要么立即执行，要么作废。",
        ),
    }
}

pub(super) fn flow(id: &'static str, via: Via, alias: &str, at: Addresses, token: &str) -> Flow {
    let (title, port) = match via {
        Via::Tcp => (text("Lines over TCP", "TCP 行协议"), at.push.port()),
        _ => (text("Socket.IO", "Socket.IO"), at.socketio.port()),
    };
    let flow = Flow::new(id, "zzw", title)
        .counter("sent", text("kept", "已落盘"), Tone::Plain)
        .counter("queued", text("waiting", "待送达"), Tone::Warn)
        .counter("arrived", text("arrived", "已送达"), Tone::Good)
        .counter("late", text("made up", "离线补送"), Tone::Warn)
        .counter("online", text("online", "在线别名"), Tone::Plain)
        .counter("channels", text("channels", "频道"), Tone::Plain)
        .counter("pictures", text("pictures", "抓拍图片"), Tone::Plain)
        .counter("doors", text("doors", "开门"), Tone::Plain)
        .counter("lost", text("lost", "丢失"), Tone::Bad);
    let mut flow = snippets(switches(flow, via), alias, at, token);
    flow.fates = &[Fate::Sent, Fate::Live, Fate::Late];
    flow.ends[0].title = text("Management centre", "物业中心");
    flow.ends[0].address = Text::same(format!("{CENTRE} → :{}", at.push.port()));
    flow.ends[1].title = match via {
        Via::Tcp => text("Indoor unit", "室内机"),
        _ => text("Phone", "手机"),
    };
    flow.ends[1].address = Text::same(format!("{alias} · :{port}"));
    flow
}

fn switches(flow: Flow, via: Via) -> Flow {
    let flow = flow
        .toggle(
            "away",
            text("Go away", "离线"),
            text(
                "The end says goodbye; messages wait for it and arrive when it is back",
                "终端下线，消息等候；重新上线后送达",
            ),
        )
        .toggle(
            "down",
            text("Server down", "服务器停机"),
            text(
                "The server is broken off, and started again over the same store",
                "服务器中断；恢复时在同一存储上重新启动",
            ),
        )
        .press(
            "power",
            text("Cut the end's power", "终端断电"),
            text(
                "The end stops in the middle of whatever it does",
                "终端随时中断，再重新启动",
            ),
        )
        .toggle(
            "cut",
            text("Cut the link", "切断连接"),
            text("No connection for two seconds", "断开两秒"),
        );
    if via == Via::Tcp {
        flow.press(
            "door",
            text("Open the door", "开门"),
            text(
                "Reaches the door at once or never; it is not kept",
                "要么立即送达门口机，要么作废；不会保存",
            ),
        )
    } else {
        flow
    }
}

fn snippets(flow: Flow, alias: &str, at: Addresses, token: &str) -> Flow {
    let publish = format!(
        "curl -s http://{}/push/{token} \\\n  -d '{{\"t\":6,\"method\":\"publish_to_alias\",\
         \"alias\":[\"{alias}\"],\"msg\":\"来自 curl\",\"num\":1}}'\n",
        at.rest
    );
    let lines = format!(
        "printf '{{\"t\":14,\"alias\":\"nc\"}}\\n{{\"t\":7}}\\n' | nc -q 1 127.0.0.1 {}\n",
        at.push.port()
    );
    let device = format!(
        "cargo run --release --example zzw_device -- --via socketio 127.0.0.1:{} \\\n  \
         --alias 手机-2 --topic {CHANNEL}\n",
        at.socketio.port()
    );
    let relay = format!(
        "cargo run --release --example zzw_relay -- show ws://{} --room {} --out pictures\n",
        at.relay,
        camera::ROOM
    );
    flow.snippet(text("Publish", "发布消息"), "curl", publish)
        .snippet(text("Speak lines", "行协议"), "Shell", lines)
        .snippet(text("One more end", "再接一个终端"), "Rust", device)
        .snippet(text("Look at the camera", "查看抓拍"), "Rust", relay)
}

/// What the end is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    ServerDown,
    NoPower,
    Away,
    Connecting,
    CatchingUp,
    Online,
}

pub(super) fn link(doing: Doing, waiting: u64) -> view::Link {
    let (state, tone) = match doing {
        Doing::ServerDown => (text("server down", "服务器停机"), Tone::Bad),
        Doing::NoPower => (text("no power", "已断电"), Tone::Bad),
        Doing::Away => (text("away", "离线"), Tone::Warn),
        Doing::Connecting => (text("connecting", "正在连接"), Tone::Warn),
        Doing::CatchingUp => (text("catching up", "补送中"), Tone::Warn),
        Doing::Online => (text("online", "在线"), Tone::Good),
    };
    let proof = match (doing, waiting) {
        (Doing::Online, _) | (_, 0) => Text::default(),
        (_, 1) => text("1 message waits", "1 条等候"),
        (_, many) => text(format!("{many} messages wait"), format!("{many} 条等候")),
    };
    view::Link::new(state, proof, tone)
}

/// What is said, with a number and a time to know it by.
pub(super) fn body(number: u64, at: i64) -> String {
    let what = match number % 4 {
        0 => "有人按门铃",
        1 => "快递已到门卫室",
        2 => "电梯例行检修",
        _ => "访客已登记",
    };
    format!("{what} #{number} @{at}")
}

/// Number and time of what was said; `None` if somebody else said it.
pub(super) fn read_body(body: &str) -> Option<(u64, i64)> {
    let (rest, at) = body.rsplit_once(" @")?;
    let (_, number) = rest.rsplit_once(" #")?;
    Some((number.parse().ok()?, at.parse().ok()?))
}

pub(super) fn late() -> Tag {
    Tag::new(text("after absence", "离线补送"), Tone::Warn)
}

pub(super) fn door() -> Tag {
    Tag::new(text("asks to open the door", "请求开门"), Tone::Good)
}

pub(super) fn nobody_there() -> Tag {
    let words = text(
        "the door is not there, so nothing is sent",
        "门口机不在线，不会发送",
    );
    Tag::new(words, Tone::Warn)
}

pub(super) fn not_asked() -> Tag {
    let words = text(
        "the centre is not connected, so nothing is sent",
        "物业中心未连接，不会发送",
    );
    Tag::new(words, Tone::Warn)
}

pub(super) fn gap(lost: u64) -> Tag {
    let words = text(
        format!("{lost} messages were too many or too old"),
        format!("{lost} 条消息因超量或过期被丢弃"),
    );
    Tag::new(words, Tone::Bad)
}

pub(super) fn capture() -> Tag {
    Tag::new(
        text("picture through the relay", "经中继的抓拍"),
        Tone::Plain,
    )
}

pub(super) fn from_outside() -> Tag {
    Tag::new(text("from outside", "外部发布"), Tone::Plain)
}
