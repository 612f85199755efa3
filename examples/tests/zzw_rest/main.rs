//! REST on port 9900: every call of the document, with tokens, aliases and bodies of every kind.

#![allow(clippy::disallowed_methods, reason = "a rate is one of the clock")]

#[path = "../kit_zzw/mod.rs"]
mod kit_zzw;

mod calls;
mod http;
mod tokens;

use drive::zzw::server::Server;
use kit_zzw::serve;
use std::net::SocketAddr;

/// Method and path of every call, without the token.
const CALLS: [(&str, &str); 7] = [
    ("POST", "/push"),
    ("GET", "/info"),
    ("GET", "/info/servers"),
    ("GET", "/servers"),
    ("GET", "/info/status/m_2"),
    ("GET", "/info/allChannelAlias/1"),
    ("GET", "/info/allSocketIOAlias/1"),
];

const PUBLISH: &str =
    r#"{"t":6,"method":"publish_to_alias","alias":["m_2"],"msg":"你好","num":"7"}"#;

async fn start() -> (Server, SocketAddr, String) {
    let server = serve(|_| {}).await;
    let (rest, token) = (server.addresses().rest, server.token().unwrap());
    (server, rest, token)
}

/// Every byte escaped.
fn encoded(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}
