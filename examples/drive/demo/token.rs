//! The lane of `xtea-token`: tokens are issued and verified, among them some that must not pass.

use super::hub::{FlowHandle, Hub, Press};
use super::outcome::Outcome;
use super::view::{Card, Fate, Flow, Lane, Link, Mark, Tag, Text, Tone, text};
use super::{Stop, told_to_stop};
use crate::clock::unix_now;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use xtea_token::{Claim, IssueError, Key, TokenFormat, UnixMillis, Verifier};

/// Adds the lane and starts its flow, which ends when `stop` says so.
pub(super) fn start(hub: &Arc<Hub>, flows: &mut JoinSet<Outcome>, stop: Stop) {
    hub.add_lane(Lane {
        id: "token",
        title: text("XTEA tokens · xtea-token", "XTEA 令牌 · xtea-token"),
        about: text(
            "Every REST address of the push server ends with one. It holds the time, so it differs \
             each time, and what is stale, forged or damaged is rejected without saying why.",
            "推送服务器的每个 REST 地址都以令牌结尾。令牌内含时间，因此次次不同；\
             过期、伪造或损坏的一律拒绝，且不说明原因。",
        ),
    });
    let (handle, presses) = hub.add_flow(flow());
    let verifier = Verifier::new(TokenFormat::LEGACY, Key::new(KEY));
    // The format claims a time, which is all that can be wrong with it.
    if let Ok(verifier) = verifier {
        flows.spawn(run(Desk { handle, verifier }, presses, stop));
    }
}

/// The key of the documentation's samples. A server must refuse it on any other address.
const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const KEY_HEX: &str = "000102030405060708090a0b0c0d0e0f";

fn flow() -> Flow {
    let mut flow = Flow::new("token", "token", text("Issue and verify", "签发与验证"))
        .counter("sent", text("issued", "已签发"), Tone::Plain)
        .counter("accepted", text("accepted", "已接受"), Tone::Good)
        .counter("rejected", text("rejected", "已拒绝"), Tone::Plain)
        .counter("lost", text("misjudged", "误判"), Tone::Bad)
        .toggle(
            "stale",
            text("Issuer's clock 10 min behind", "签发方时钟慢 10 分钟"),
            text(
                "Tokens older than 300 s are rejected",
                "超过 300 秒的令牌会被拒绝",
            ),
        )
        .toggle(
            "forged",
            text("Use another key", "使用其他密钥"),
            text(
                "Only holders of the key can issue",
                "只有密钥持有者才能签发",
            ),
        )
        .toggle(
            "damaged",
            text("Flip one bit", "翻转一个比特"),
            text(
                "Every changed bit is noticed",
                "任何一个比特被改动都会被发现",
            ),
        )
        .snippet(
            text("Issue, ask with it", "签发并用于请求"),
            "Shell",
            format!(
                "TOKEN=$(cargo run -q --release --example token -- issue --key {KEY_HEX})\n\
             cargo run -q --release --example token -- verify --key {KEY_HEX} \"$TOKEN\"\n\
             cargo run -q --release --example token -- identify --key {KEY_HEX} \"$TOKEN\"\n"
            ),
        );
    flow.fates = &[Fate::Sent, Fate::Live, Fate::Rejected];
    flow.ends[0].title = text("Client", "客户端");
    flow.ends[0].address = Text::same("XTEA · ECB · PKCS#7 · hex");
    flow.ends[1].title = text("Push server", "推送服务器");
    flow.ends[1].address = Text::same("GET /info/{token} ± 300 s");
    flow.link = Link::new(
        text("at hand", "就绪"),
        text("in memory, no socket", "内存中，无套接字"),
        Tone::Good,
    );
    flow
}

/// Both ends.
struct Desk {
    handle: FlowHandle,
    verifier: Verifier,
}

/// What is done to a token on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    Stale,
    Forged,
    Damaged,
}

/// What comes by itself, so that every case is seen.
const ROUND: [Wrong; 9] = [
    Wrong::Nothing,
    Wrong::Nothing,
    Wrong::Stale,
    Wrong::Nothing,
    Wrong::Nothing,
    Wrong::Forged,
    Wrong::Nothing,
    Wrong::Nothing,
    Wrong::Damaged,
];

async fn run(desk: Desk, mut presses: mpsc::Receiver<Press>, mut stop: Stop) -> Outcome {
    let mut tick = tokio::time::interval(Duration::from_millis(1700));
    let mut round = ROUND.iter().cycle();
    let mut forced = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let wrong = forced.or(round.next().copied()).unwrap_or(Wrong::Nothing);
                if desk.exchange(wrong).is_err() {
                    desk.handle.count("lost");
                }
            }
            Some(press) = presses.recv() => forced = desk.pressed(press),
            _ = told_to_stop(&mut stop) => break,
        }
    }
    let figure = |counter| desk.handle.counter(counter);
    let misjudged = figure("lost");
    Outcome {
        flow: "token",
        sent: figure("sent"),
        arrived: figure("accepted") + figure("rejected"),
        repaired: 0,
        gaps: 0,
        faults: if figure("accepted") == 0 {
            vec!["no token was accepted".to_owned()]
        } else if misjudged > 0 {
            vec![format!("{misjudged} tokens misjudged")]
        } else {
            vec![]
        },
    }
}

impl Desk {
    fn pressed(&self, press: Press) -> Option<Wrong> {
        let cases = [
            ("stale", Wrong::Stale),
            ("forged", Wrong::Forged),
            ("damaged", Wrong::Damaged),
        ];
        for (switch, _) in cases {
            self.handle
                .switched(switch, switch == press.switch && press.on);
        }
        let case = cases.into_iter().find(|(name, _)| *name == press.switch);
        case.map(|(_, wrong)| wrong).filter(|_| press.on)
    }

    /// Issues one token, harms it, verifies it, and shows all that.
    fn exchange(&self, wrong: Wrong) -> Result<(), IssueError> {
        let now = UnixMillis(u64::try_from(unix_now().0).unwrap_or_default());
        let at = if wrong == Wrong::Stale {
            UnixMillis(now.0.saturating_sub(600_000))
        } else {
            now
        };
        let mut token = if wrong == Wrong::Forged {
            let other = Key::new([0x5a; 16]);
            TokenFormat::LEGACY
                .issue(&other, Claim::At(at))?
                .to_string()
        } else {
            self.verifier.issue(Claim::At(at))?.to_string()
        };
        if wrong == Wrong::Damaged {
            token = with_one_bit_flipped(&token);
        }
        let is_accepted = self.verifier.verify(now, &token).is_ok();
        self.show(&token, now, wrong, is_accepted);
        Ok(())
    }

    fn show(&self, token: &str, now: UnixMillis, wrong: Wrong, is_accepted: bool) {
        let at = i64::try_from(now.0).unwrap_or(i64::MAX);
        let handle = &self.handle;
        handle.count("sent");
        handle.count(if is_accepted { "accepted" } else { "rejected" });
        if is_accepted != (wrong == Wrong::Nothing) {
            handle.count("lost");
        }
        let (verdict, tone, fate) = if is_accepted {
            (text("accepted", "已接受"), Tone::Good, Fate::Live)
        } else {
            (text("rejected", "已拒绝"), Tone::Bad, Fate::Rejected)
        };
        handle.mark(Mark {
            id: token.to_owned(),
            at,
            fate: Fate::Sent,
        });
        handle.mark(Mark {
            id: token.to_owned(),
            at,
            fate,
        });
        let request = format!("GET /info/{token} HTTP/1.1\r\n\r\n");
        handle.wire(
            false,
            "GET /info/{token}",
            "text/plain",
            Bytes::from(request),
        );
        let mut tags = vec![Tag::new(verdict, tone)];
        tags.extend(wrong.remark().map(|remark| Tag::new(remark, Tone::Plain)));
        handle.card(Card {
            at,
            title: token.to_owned(),
            place: format!("GET /info/{}…", &token[..8]),
            tags,
            ..Card::default()
        });
    }
}

impl Wrong {
    /// What only the demo knows: the verifier says nothing but no.
    fn remark(self) -> Option<Text> {
        match self {
            Self::Nothing => None,
            Self::Stale => Some(text("10 min old", "10 分钟前签发")),
            Self::Forged => Some(text("another key", "其他密钥")),
            Self::Damaged => Some(text("one bit flipped", "一个比特被翻转")),
        }
    }
}

/// The first digit of a token in hexadecimal, its lowest bit changed.
fn with_one_bit_flipped(token: &str) -> String {
    let mut digits = token.chars();
    let first = digits.next().and_then(|digit| digit.to_digit(16));
    let flipped = first.and_then(|digit| char::from_digit(digit ^ 1, 16));
    flipped.into_iter().chain(digits).collect()
}
