//! What the lane of recognition tasks says, in English and Chinese.

use crate::demo::view::{self, Fate, Flow, Lane, Tag, Text, Tone, text};
use std::net::SocketAddr;

pub(super) fn lane() -> Lane {
    Lane {
        id: "analyst",
        title: text(
            "Video analysers · analyst-proto",
            "视频分析器 · analyst-proto",
        ),
        about: text(
            "A dispatcher gives recognition tasks to analysers over MQTT point-to-point, which promises \
             nothing: messages are lost, doubled and late. Each task has exactly one verdict all the \
             same, and an analyser that was asked twice answers from memory.",
            "调度端经 MQTT 点对点把识别任务派给分析器，而这条链路什么都不保证：消息会丢、会重、会迟到。\
             即便如此，每个任务仍恰好只有一个结论；重复询问时，分析器凭记录作答。",
        ),
    }
}

pub(super) fn flow(id: &'static str, http: SocketAddr, broker: SocketAddr) -> Flow {
    let flow = Flow::new(id, "analyst", text("Recognition tasks", "识别任务"))
        .counter("sent", text("accepted", "已受理"), Tone::Plain)
        .counter("working", text("under way", "识别中"), Tone::Plain)
        .counter("arrived", text("finished", "已识别"), Tone::Good)
        .counter("failed", text("failed", "识别失败"), Tone::Warn)
        .counter("timed_out", text("given to another", "改派"), Tone::Warn)
        .counter("late", text("late results", "迟到结果"), Tone::Warn)
        .counter(
            "repeated",
            text("verdicts told again", "结论重发"),
            Tone::Plain,
        )
        .counter("lost", text("lost", "丢失"), Tone::Bad);
    let mut flow = snippets(switches(flow), http, broker);
    flow.fates = &[Fate::Sent, Fate::Live, Fate::Late];
    flow.ends[0].title = text("Dispatcher", "调度端");
    flow.ends[0].address = Text::same(format!("HTTP :{}", http.port()));
    flow.ends[1].title = text("Two analysers", "两台分析器");
    flow.ends[1].address = Text::same(format!("MQTT :{}", broker.port()));
    flow
}

fn switches(flow: Flow) -> Flow {
    flow.toggle(
        "down",
        text("Dispatcher down", "调度端停机"),
        text(
            "The dispatcher is broken off, and started again over the same store",
            "调度端中断；恢复时在同一存储上重新启动",
        ),
    )
    .toggle(
        "away",
        text("One analyser away", "一台离线"),
        text(
            "Its tasks go to the other one once their time is up",
            "到时限后，它的任务改派给另一台",
        ),
    )
    .press(
        "power",
        text("Cut an analyser's power", "分析器断电"),
        text(
            "It stops in the middle of whatever it does, and goes on where it was",
            "随时中断，重启后从记录继续",
        ),
    )
    .press(
        "cut",
        text("Cut every link", "切断全部连接"),
        text("The broker drops all its connections", "服务器断开所有连接"),
    )
    .toggle(
        "lossy",
        text("Lose messages", "丢消息"),
        text(
            "The broker acknowledges one message of five and throws it away",
            "每五条消息，服务器确认后丢弃一条",
        ),
    )
    .toggle(
        "double",
        text("Double messages", "重复消息"),
        text(
            "The broker delivers every other message twice",
            "每两条消息，服务器重复投递一条",
        ),
    )
}

fn snippets(flow: Flow, http: SocketAddr, broker: SocketAddr) -> Flow {
    let task = format!(
        "curl -s http://{http}/tasks -d '{{\"id\":1679846303806100001,\
         \"top_video\":\"样例.mp4\",\"goods_ids\":{{\"1\":[1,4]}}}}'\n"
    );
    let analyser = format!(
        "ANALYST_SECRET=test-secret-3 cargo run --release --example analyst_device -- \\\n  \
         --server http://{http} --name analyst_3 --data analyst-3\n"
    );
    let watch = format!(
        "mosquitto_sub -p {} -i GID_Analyst@@@watcher -v -t 'Analyst/p2p/#'\n",
        broker.port()
    );
    flow.snippet(text("Submit a task", "提交任务"), "curl", task)
        .snippet(
            text("One more analyser", "再接一台分析器"),
            "Rust",
            analyser,
        )
        .snippet(text("Watch the broker", "查看消息"), "Shell", watch)
}

/// What the dispatcher is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Down,
    Connecting,
    Busy,
    Idle,
}

pub(super) fn link(doing: Doing, waiting: u64) -> view::Link {
    let (state, tone) = match doing {
        Doing::Down => (text("dispatcher down", "调度端停机"), Tone::Bad),
        Doing::Connecting => (text("connecting", "正在连接"), Tone::Warn),
        Doing::Busy => (text("catching up", "处理积压"), Tone::Warn),
        Doing::Idle => (text("online", "在线"), Tone::Good),
    };
    let proof = match waiting {
        0 => Text::default(),
        1 => text("1 task is open", "1 个任务未结"),
        many => text(
            format!("{many} tasks are open"),
            format!("{many} 个任务未结"),
        ),
    };
    view::Link::new(state, proof, tone)
}

pub(super) fn finished(attempts: u32) -> Tag {
    match attempts {
        0 | 1 => Tag::new(text("found", "已识别"), Tone::Good),
        many => Tag::new(
            text(
                format!("found, attempt {many}"),
                format!("第 {many} 次识别成功"),
            ),
            Tone::Good,
        ),
    }
}

pub(super) fn failed() -> Tag {
    Tag::new(text("nobody could tell", "无法识别"), Tone::Warn)
}

pub(super) fn expired() -> Tag {
    Tag::new(text("nobody answered", "无人应答"), Tone::Warn)
}

pub(super) fn cancelled() -> Tag {
    Tag::new(text("given up", "已取消"), Tone::Plain)
}

pub(super) fn timed_out() -> Tag {
    Tag::new(
        text("takes too long: given to another", "超时，改派"),
        Tone::Warn,
    )
}

pub(super) fn late(is_same: bool) -> Tag {
    if is_same {
        Tag::new(text("late, and the same", "迟到，内容一致"), Tone::Plain)
    } else {
        Tag::new(text("late, and different", "迟到，内容不同"), Tone::Warn)
    }
}
