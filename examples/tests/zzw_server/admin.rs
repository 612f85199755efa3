//! `/metrics` and `/healthz`.

use crate::process::{Answer, Caller, Server, ask, dial, get};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};

#[test]
fn figures_are_prometheus_text_and_move() {
    let server = Server::start(&[]);
    let before = figures(&get(server.admin, "/metrics"));
    let mut caller = Caller::bound(&server, "m_2");
    let message = json!({"method": "publish_to_alias", "alias": ["m_2"], "msg": "a"});
    assert_eq!(server.publish(&message).status, 200);
    let mid = caller.hears()["mid"].clone();
    caller.asks(r#"{"t":1}"#);
    assert_eq!(caller.asks("no message")["t"], 0);
    caller.asks(&format!(r#"{{"t":-5,"mid":{mid}}}{}"#, "\n{\"t\":1}"));
    let after = figures(&get(server.admin, "/metrics"));
    assert!(before.keys().eq(after.keys()));
    let moved = |name: &str| after[name] - before[name];
    for name in [
        "tcp_links",
        "online_aliases",
        "accepted_total",
        "bound_total",
        "calls_total",
        "published_total",
        "delivered_total",
        "acked_total",
        "garbled_total",
    ] {
        assert!(
            (moved(&format!("zzw_{name}")) - 1.0).abs() < f64::EPSILON,
            "{name}: {after:#?}"
        );
    }
    for (name, value) in &before {
        assert!(!name.ends_with("_total") || after[name] >= *value, "{name}");
    }
}

#[test]
fn other_paths_and_methods_are_told_what_there_is() {
    let server = Server::start(&[]);
    let line = |answer: Answer| (answer.status, answer.body);
    assert_eq!(
        line(get(server.admin, "/healthz")),
        (200, "ok\n".to_owned())
    );
    assert_eq!(
        line(get(server.admin, "/")),
        (404, "there are /metrics and /healthz\n".to_owned())
    );
    assert_eq!(
        line(ask(server.admin, "POST", "/metrics", "")),
        (405, "use GET\n".to_owned())
    );
    assert_eq!(line(ask(server.admin, "HEAD", "/metrics", "")).1, "");
}

#[test]
fn other_machines_are_shown_nothing() {
    let Some(own) = own_address() else {
        eprintln!("skipped: this machine has no address but the loopback one");
        return;
    };
    let args = ["--bind", "0.0.0.0", "--advertise", "a.example.com"];
    let server = Server::start(&args);
    for path in ["/metrics", "/healthz"] {
        let answer = get((own.ip(), server.admin.port()).into(), path);
        assert_eq!(answer.status, 403, "{path}");
    }
    drop(dial((own.ip(), server.push.port()).into()));
}

/// An address by which this machine is another one to itself. Nothing is sent.
fn own_address() -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?;
    (!own.ip().is_loopback() && !own.ip().is_unspecified()).then_some(own)
}

/// The figures of a page, which has to be as the format wants it: each metric with one HELP and one
/// TYPE line before its sample, or its samples, each with a label.
fn figures(page: &Answer) -> BTreeMap<String, f64> {
    assert_eq!(page.status, 200);
    assert!(page.body.ends_with('\n'));
    let mut figures = BTreeMap::new();
    let mut lines = page.body.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, help) = help
            .strip_prefix("# HELP ")
            .unwrap()
            .split_once(' ')
            .unwrap();
        assert!(!help.is_empty() && !help.contains('\\'), "{name}");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(
            name.starts_with("zzw_") && name.chars().all(is_name),
            "{name}"
        );
        let kind = lines
            .next()
            .unwrap()
            .strip_prefix(&format!("# TYPE {name} "))
            .unwrap();
        let wanted = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        assert_eq!(kind, wanted, "{name}");
        let is_sample = |line: &&str| !line.starts_with('#');
        while let Some(sample) = lines.next_if(is_sample) {
            let (key, value) = sample.rsplit_once(' ').unwrap();
            let label = key.strip_prefix(name).unwrap();
            let is_label = label.starts_with("{why=\"") && label.ends_with("\"}");
            assert!(label.is_empty() || is_label, "{key}");
            let value = value.parse().unwrap();
            assert!(
                figures.insert(key.to_owned(), value).is_none(),
                "{key} twice"
            );
        }
    }
    assert!(figures.len() > 20);
    figures
}
