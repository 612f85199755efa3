//! What the flow of the nodes says, in English and Chinese.

use super::NODES;
use crate::demo::view::{self, Fate, Flow, Tag, Text, Tone, text};
use crate::zzw::server::Addresses;

/// [`Flow::id`].
pub(super) const FLOW: &str = "zzw-nodes";
/// The nodes' switches, and the figures of who is at them.
pub(super) const SWITCHES: [&str; NODES] = ["node-1", "node-2", "node-3"];

pub(super) fn flow(at: &[Addresses; NODES], token: &str, keys: &str) -> Flow {
    let mut flow = Flow::new(
        FLOW,
        "zzw",
        text("Three nodes over one Redis", "三个节点，共用一个 Redis"),
    );
    for (node, id) in SWITCHES.into_iter().enumerate() {
        let number = node + 1;
        flow = flow.counter(id, title(node, false), Tone::Good).toggle(
            id,
            text(format!("Kill node {number}"), format!("关掉节点 {number}")),
            text(
                "The node stops at once; its ends dial the next one. Press again to start it \
                     where it was",
                "节点立即停止，其终端改连下一个节点；再按一次在原端口重新启动",
            ),
        );
    }
    flow = flow
        .counter("killed", text("killed", "关掉次数"), Tone::Plain)
        .counter("sent", text("at risk", "期间确认"), Tone::Plain)
        .counter("arrived", text("arrived", "其中已送达"), Tone::Good)
        .counter("lost", text("lost", "丢失"), Tone::Bad)
        .snippet(
            text("Ask a node for all", "查询全部节点"),
            "curl",
            format!("curl -s http://{}/info/{token}\n", at[1].rest),
        )
        .snippet(
            text("Where to connect", "查询接入地址"),
            "curl",
            format!("curl -s http://{}/info/servers/{token}\n", at[2].rest),
        )
        .snippet(
            text("Look into Redis", "查看 Redis"),
            "Shell",
            format!("redis-cli --scan --pattern '{keys}'\n"),
        );
    flow.fates = &[Fate::Sent, Fate::Live, Fate::Late];
    flow.ends[0].title = text("Nodes", "节点");
    let ports = at.each_ref().map(|at| format!(":{}", at.push.port()));
    flow.ends[0].address = Text::same(ports.join(" "));
    flow.ends[1].title = text("Redis or Valkey", "Redis 或 Valkey");
    flow.ends[1].address = Text::same(keys.to_owned());
    flow
}

/// A node's name, and how it is, in as few letters as a figure has room for.
pub(super) fn title(node: usize, is_dead: bool) -> Text {
    let number = node + 1;
    if is_dead {
        text(format!("{number} is dead"), format!("节点 {number} 已停"))
    } else {
        text(format!("node {number}"), format!("节点 {number}"))
    }
}

/// Which nodes are dead, and which aliases are at which of the others.
pub(super) fn link(dead: &[usize], who: &[Vec<&str>]) -> view::Link {
    let numbers: Vec<String> = dead.iter().map(|node| (node + 1).to_string()).collect();
    let numbers = numbers.join(", ");
    let (state, tone) = match dead.len() {
        0 => (text("all nodes alive", "节点全部在线"), Tone::Good),
        1 => (
            text(
                format!("node {numbers} dead"),
                format!("节点 {numbers} 已停"),
            ),
            Tone::Warn,
        ),
        NODES => (text("all nodes dead", "节点全部停机"), Tone::Bad),
        _ => (
            text(
                format!("nodes {numbers} dead"),
                format!("节点 {numbers} 已停"),
            ),
            Tone::Warn,
        ),
    };
    let of_node = |(node, aliases): (usize, &Vec<&str>)| {
        let number = node + 1;
        (!aliases.is_empty()).then(|| format!("{number}: {}", aliases.join(", ")))
    };
    let proof: Vec<String> = who.iter().enumerate().filter_map(of_node).collect();
    view::Link::new(state, Text::same(proof.join(" · ")), tone)
}

pub(super) fn killed() -> Tag {
    Tag::new(text("killed", "已关掉"), Tone::Bad)
}

pub(super) fn started() -> Tag {
    Tag::new(text("started again", "重新启动"), Tone::Good)
}
