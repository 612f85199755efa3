//! What the push lane says, in English and Chinese.

use crate::demo::view::{self, Fate, Flow, Lane, Tag, Text, Tone, text};
use crate::zzw::device::Via;
use crate::zzw::server::Addresses;

/// What is called how in one flow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// The end that messages are for.
    pub(super) alias: &'static str,
    /// Who publishes.
    pub(super) centre: &'static str,
    /// Who asks to open the door where the centre cannot.
    pub(super) opener: &'static str,
    /// The channel that the end is subscribed to.
    pub(super) channel: &'static str,
    /// The room of the door's camera, which is also the door's own.
    pub(super) room: &'static str,
}

/// The indoor unit, over lines.
pub(super) const INDOOR: Names = Names {
    alias: "室内机-301",
    centre: "物业中心",
    opener: "物业中心-门禁",
    channel: "小区公告",
    room: "capture-7-3-2",
};
/// The phone, over Socket.IO, at a server of its own.
pub(super) const PHONE: Names = Names {
    alias: "手机-样例",
    ..INDOOR
};
/// The same where both flows meet in one cluster.
pub(super) const PHONE_BESIDE: Names = Names {
    alias: "手机-样例",
    centre: "物业中心-2",
    channel: "住户通知",
    room: "capture-7-3-3",
    ..INDOOR
};

impl Names {
    /// Every alias that meets in a cluster.
    pub(super) fn all_in_cluster() -> [&'static str; 5] {
        let (indoor, phone) = (INDOOR, PHONE_BESIDE);
        [
            indoor.centre,
            phone.centre,
            indoor.opener,
            indoor.alias,
            phone.alias,
        ]
    }
}

pub(super) fn lane(is_cluster: bool) -> Lane {
    let about = if is_cluster {
        text(
            "Three nodes over one Redis. The centres are at the first, the indoor unit at the \
             second, the phone at the third. When one is killed its ends dial the next, and what \
             was acknowledged arrives once and in order.",
            "三个节点共用一个 Redis：物业中心接在第一个，室内机接在第二个，手机接在第三个。\
             关掉任何一个，其终端改连下一个；已确认的消息按序送达，恰好一次。",
        )
    } else {
        text(
            "One broker behind lines over TCP, Socket.IO, REST and relay rooms. A message is \
             confirmed once it is on the disk, waits there while its alias is away, and arrives \
             once and in order. A door opens now or not at all.",
            "TCP 行协议、Socket.IO、REST 与中继房间共用一个消息核心。消息落盘之后才确认；\
             别名离线时原地等候，上线后按序送达，恰好一次。开门指令要么立即执行，要么作废。",
        )
    };
    Lane {
        id: "zzw",
        title: text(
            "Intercom push server · zzw-push-proto",
            "对讲推送服务器 · zzw-push-proto",
        ),
        about,
    }
}

/// A flow from a centre at one address to an end at another.
pub(super) fn flow(
    id: &'static str,
    via: Via,
    names: Names,
    [at, end]: [Addresses; 2],
    token: &str,
    is_cluster: bool,
) -> Flow {
    let (title, port) = match via {
        Via::Tcp => (text("Lines over TCP", "TCP 行协议"), end.push.port()),
        _ => (text("Socket.IO", "Socket.IO"), end.socketio.port()),
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
    let mut flow = snippets(switches(flow, via, is_cluster), names, [at, end], token);
    flow.fates = &[Fate::Sent, Fate::Live, Fate::Late];
    flow.ends[0].title = text("Management centre", "物业中心");
    flow.ends[0].address = Text::same(format!("{} → :{}", names.centre, at.push.port()));
    flow.ends[1].title = match via {
        Via::Tcp => text("Indoor unit", "室内机"),
        _ => text("Phone", "手机"),
    };
    flow.ends[1].address = Text::same(format!("{} · :{port}", names.alias));
    flow
}

fn switches(flow: Flow, via: Via, is_cluster: bool) -> Flow {
    let mut flow = flow.toggle(
        "away",
        text("Go away", "离线"),
        text(
            "The end says goodbye; messages wait for it and arrive when it is back",
            "终端下线，消息等候；重新上线后送达",
        ),
    );
    // Nodes have switches of their own.
    if !is_cluster {
        flow = flow.toggle(
            "down",
            text("Server down", "服务器停机"),
            text(
                "The server is broken off, and started again over the same store",
                "服务器中断；恢复时在同一存储上重新启动",
            ),
        );
    }
    let flow = flow
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

fn snippets(flow: Flow, names: Names, [at, end]: [Addresses; 2], token: &str) -> Flow {
    let publish = format!(
        "curl -s http://{}/push/{token} \\\n  -d '{{\"t\":6,\"method\":\"publish_to_alias\",\
         \"alias\":[\"{}\"],\"msg\":\"来自 curl\",\"num\":1}}'\n",
        at.rest, names.alias
    );
    let lines = format!(
        "printf '{{\"t\":14,\"alias\":\"nc\"}}\\n{{\"t\":7}}\\n' | nc -q 1 127.0.0.1 {}\n",
        at.push.port()
    );
    let device = format!(
        "cargo run --release --example zzw_device -- --via socketio 127.0.0.1:{} \\\n  \
         --alias 手机-2 --topic {}\n",
        at.socketio.port(),
        names.channel
    );
    let relay = format!(
        "cargo run --release --example zzw_relay -- show ws://{} --room {} --out pictures\n",
        end.relay, names.room
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
