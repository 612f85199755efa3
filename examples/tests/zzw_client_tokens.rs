//! Tokens of clients, from the key of the server to the line of the client (K-2, K-4).
#![allow(missing_docs, reason = "a test")]

use drive::zzw::server::{Options, Server};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use xtea_token::v2::{MacKey, Scope, Ticket};
use xtea_token::{Key, UnixSeconds};
use zzw_push_proto::platform::ClientToken;

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(to: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(to).await.unwrap()))
    }

    async fn asks(&mut self, line: &str) -> String {
        let line = format!("{line}\n");
        self.0.write_all(line.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).await.unwrap();
        answer
    }
}

fn mac_key() -> MacKey {
    MacKey::new(7, [0x42; 32])
}

fn token(alias: &str, scope: Scope, seconds: u64) -> String {
    let now = UnixSeconds(drive::cli::now().0 / 1000);
    let issued = UnixSeconds(now.0 - 60);
    let expires = UnixSeconds(issued.0 + seconds);
    let ticket = Ticket::new(scope, issued, expires, [1; 8]).with_subject(alias);
    let token = mac_key().issue_unbound(&ticket).unwrap();
    token.as_str().to_owned()
}

fn connect(token: &str) -> String {
    format!(r#"{{"t":14,"alias":"m_2","token":"{token}"}}"#)
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#permission
//# A client token MUST be an authenticated one of its alias, in time and with the scope for what it
//# is used for.
async fn a_required_token_has_to_be_the_clients_own_and_valid() {
    let key = Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
    let mut options = Options::new(key);
    options.keys.mac.push(mac_key());
    options.broker.client_token = ClientToken::Required;
    let ports = &mut options.ports;
    (ports.rest, ports.socketio, ports.push, ports.relay) = (0, 0, 0, 0);
    let server = Server::start(options).await.unwrap();
    let rest = server.token().unwrap();
    let mut client = Client::connect(server.addresses().push).await;
    for (line, what) in [
        (r#"{"t":14,"alias":"m_2"}"#.to_owned(), "none"),
        (connect(&token("m_3", Scope::CONNECT, 3600)), "another's"),
        (connect(&token("m_2", Scope::DOOR, 3600)), "for doors only"),
        (connect(&token("m_2", Scope::CONNECT, 60)), "expired"),
        (connect(&rest), "of REST"),
        (connect("v2.no"), "garbage"),
    ] {
        let answer = client.asks(&line).await;
        assert!(answer.contains(r#""code":"token""#), "{what}: {answer}");
    }
    let answer = client
        .asks(&connect(&token("m_2", Scope::CONNECT, 3600)))
        .await;
    assert_eq!(answer, "{\"t\":-14,\"alias\":\"m_2\"}\n");
    server.stop_now().await.unwrap();
}
