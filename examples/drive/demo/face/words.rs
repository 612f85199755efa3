//! What the face lane says, in English and Chinese.

use crate::demo::view::{self, Fate, Flow, Lane, Tag, Text, Tone, text};
use face_record_push::platform::Entry;
use face_record_push::{Profile, RecognitionType};
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn lane() -> Lane {
    Lane {
        id: "face",
        title: text(
            "Face terminal records · face-record-push",
            "人脸终端识别记录 · face-record-push",
        ),
        about: text(
            "A terminal writes down who passes and posts each record until it is acknowledged. The \
             platform acknowledges what its database has. Whatever fails in between, each record \
             is there in the end, once, and in order.",
            "终端先把通行记录写入存储，再逐条推送，直到得到确认；平台入库之后才确认。\
             无论中途出现什么故障，每条记录最终都恰好入库一次，且顺序不变。",
        ),
    }
}

pub(super) fn flow(
    id: &'static str,
    profile: Profile,
    serial: &str,
    receiver: SocketAddr,
    api: Option<SocketAddr>,
    database: &Path,
) -> Flow {
    let title = match profile {
        Profile::V1_3 => text("Profile 1.3", "1.3 版报文"),
        _ => text("Profile 1.1", "1.1 版报文"),
    };
    let flow = Flow::new(id, "face", title)
        .counter("sent", text("recorded", "已记录"), Tone::Plain)
        .counter("queued", text("waiting", "缓存积压"), Tone::Warn)
        .counter("acknowledged", text("confirmed", "已确认"), Tone::Plain)
        .counter("arrived", text("stored", "已入库"), Tone::Good)
        .counter("late", text("from cache", "缓存补传"), Tone::Warn)
        .counter("duplicates", text("held back", "重复已拦"), Tone::Plain)
        .counter("lost", text("lost", "丢失"), Tone::Bad);
    let mut flow = snippets(switches(flow), receiver, api, database);
    flow.fates = &[Fate::Sent, Fate::Live, Fate::Late];
    flow.ends[0].title = text("Face terminal", "人脸终端");
    flow.ends[0].address = Text::same(serial.to_owned());
    flow.ends[1].title = text("Platform", "平台");
    flow.ends[1].address = Text::same(format!("http :{} · SQLite", receiver.port()));
    flow
}

fn switches(flow: Flow) -> Flow {
    flow.toggle(
        "down",
        text("Platform down", "平台停机"),
        text(
            "The receiver is stopped, and started again over the same database",
            "停止接收程序；恢复时在同一数据库上重新启动",
        ),
    )
    .press(
        "power",
        text("Cut the terminal's power", "终端断电"),
        text(
            "The terminal ends in the middle of whatever it does, and starts from its store",
            "终端随时中断，再从自己的存储中恢复",
        ),
    )
    .toggle(
        "cut",
        text("Cut the link", "切断连接"),
        text("No connection for two seconds", "断开两秒"),
    )
    .toggle(
        "lose",
        text("Lose answers", "丢失应答"),
        text(
            "The terminal misses every other acknowledgement and posts again; the platform knows",
            "约半数确认丢失，终端会重复推送；平台能识别重复",
        ),
    )
}

fn snippets(flow: Flow, receiver: SocketAddr, api: Option<SocketAddr>, database: &Path) -> Flow {
    let push = format!(
        "curl -s http://{receiver}/Record -H 'Content-Type: application/json' \\\n  \
         -d '{{\"type\":0,\"data\":{{\"recognitionType\":2,\"deviceSN\":\"CURL\",\
         \"recognizeScore\":0.97,\"pass\":true,\"timestamp\":'$(date +%s)',\
         \"user\":{{\"user_id\":7,\"name\":\"访客辛\"}}}}}}'\n"
    );
    let look = format!(
        "sqlite3 -box '{}' \\\n  \
         'SELECT id, received_at, user_id, user_name, freshness FROM readable ORDER BY id DESC LIMIT 9'\n",
        database.display()
    );
    let ours = format!(
        "cargo run --release --example face_terminal -- \\\n  \
         --dest http://{receiver}/Record --data terminal --seed 7 --count 10\n"
    );
    let flow = flow.snippet(text("Push a record", "推送一条记录"), "curl", push);
    let flow = match api {
        None => flow,
        Some(api) => flow.snippet(
            text("The terminal's subscription", "终端的订阅配置"),
            "curl",
            format!("curl -s http://{api}/v1/event/subscribe\n"),
        ),
    };
    flow.snippet(text("The database", "数据库"), "Shell", look)
        .snippet(text("One more terminal", "再接一台终端"), "Rust", ours)
}

/// What the terminal is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    NoPower,
    Waiting,
    CatchingUp,
    Pushing,
}

pub(super) fn link(doing: Doing, queued: u64) -> view::Link {
    let (state, tone) = match doing {
        Doing::NoPower => (text("no power", "已断电"), Tone::Bad),
        Doing::Waiting => (text("no answer", "平台无应答"), Tone::Bad),
        Doing::CatchingUp => (text("catching up", "补传中"), Tone::Warn),
        Doing::Pushing => (text("pushing", "推送中"), Tone::Good),
    };
    let proof = match (doing, queued) {
        (Doing::Pushing, _) | (_, 0) => Text::default(),
        (_, 1) => text("1 record in the cache", "缓存 1 条"),
        (_, many) => text(
            format!("{many} records in the cache"),
            format!("缓存 {many} 条"),
        ),
    };
    view::Link::new(state, proof, tone)
}

pub(super) fn kind(kind: RecognitionType) -> Option<Tag> {
    let (word, tone) = match kind {
        RecognitionType::EMPLOYEE => (text("employee", "员工"), Tone::Plain),
        RecognitionType::VISITOR => (text("visitor", "访客"), Tone::Plain),
        RecognitionType::STRANGER => (text("stranger", "陌生人"), Tone::Warn),
        RecognitionType::BLACKLIST => (text("blacklist", "黑名单"), Tone::Bad),
        _ => return None,
    };
    Some(Tag::new(word, tone))
}

pub(super) fn pass(is_through: bool) -> Tag {
    if is_through {
        Tag::new(text("passed", "放行"), Tone::Good)
    } else {
        Tag::new(text("stopped", "未放行"), Tone::Bad)
    }
}

pub(super) fn late(entry: &Entry) -> Tag {
    let at = entry.push.time().unwrap_or(entry.received);
    let words = match entry.received.0.saturating_sub(at.0) / 1000 {
        ..2 => text("from the cache", "缓存补传"),
        seconds => text(
            format!("from the cache, {seconds} s old"),
            format!("缓存补传，{seconds} 秒前"),
        ),
    };
    Tag::new(words, Tone::Warn)
}

pub(super) fn from_outside() -> Tag {
    Tag::new(text("from outside", "外部推送"), Tone::Warn)
}

pub(super) fn enough() -> Tag {
    let words = text(
        "the folder is full: start the demo anew",
        "临时文件夹已满：请重新启动演示",
    );
    Tag::new(words, Tone::Warn)
}
