//! TLS both ways: who is trusted, who is hung up on, and what wrong files are told.

#[path = "http/kit.rs"]
mod kit;

use drive::http::{Call, CallError, Caller, Dialing, Limits, Place, Reply};
use drive::tls::{HTTP, KeyPin, Trust, acceptor};
use kit::{Raw, Receiver, body, patient};
use std::path::{Path, PathBuf};
use std::process::Command;

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_good_for_its_name() {
    let files = Files::new("authority");
    let (certificate, key) = files.pair("server");
    let receiver = start(&certificate, &key).await;
    let mut caller = caller(Trust::Authorities(certificate.clone()));
    for len in [0, 62_000, 2 << 20] {
        let reply = post(&mut caller, &receiver, "localhost", len).await;
        assert_eq!(reply.unwrap().body, format!("read {len}"));
    }
    assert_eq!(receiver.links(), [receiver.links()[0]; 3]);
    let by_address = post(&mut caller, &receiver, "127.0.0.1", 1).await;
    assert_eq!(by_address, Err(CallError::Tls), "it bears a name only");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let files = Files::new("stranger");
    let (certificate, key) = files.pair("server");
    let (other, _) = files.pair("other");
    let receiver = start(&certificate, &key).await;
    for trust in [Trust::Nobody, Trust::Authorities(other)] {
        let reply = post(&mut caller(trust), &receiver, "localhost", 1).await;
        assert_eq!(reply, Err(CallError::Tls));
    }
    assert!(receiver.links().is_empty());
}

#[tokio::test]
//= docs/spec/face-record-push.md#destination
//# The receiver SHOULD pin the public key of a terminal's certificate, whose name and dates can
//# never pass.
async fn a_pinned_key_is_good_under_any_name_and_no_other_key_is() {
    let files = Files::new("pin");
    let (certificate, key) = files.pair("server");
    let (other, _) = files.pair("other");
    let receiver = start(&certificate, &key).await;
    let pin = KeyPin::read(&certificate).unwrap();
    let other_pin: KeyPin = KeyPin::read(&other).unwrap().to_string().parse().unwrap();
    let reply = post(
        &mut caller(Trust::Keys(vec![other_pin, pin])),
        &receiver,
        "127.0.0.1",
        9,
    )
    .await;
    assert_eq!(reply.unwrap().body, "read 9");
    let reply = post(
        &mut caller(Trust::Keys(vec![other_pin])),
        &receiver,
        "127.0.0.1",
        9,
    )
    .await;
    assert_eq!(reply, Err(CallError::Tls));
}

#[tokio::test]
async fn anybody_is_trusted_only_if_asked_for() {
    let files = Files::new("anybody");
    let (certificate, key) = files.pair("server");
    let receiver = start(&certificate, &key).await;
    let reply = post(&mut caller(Trust::Anybody), &receiver, "127.0.0.1", 9).await;
    assert_eq!(reply.unwrap().body, "read 9");
}

#[tokio::test]
async fn tls_and_plain_http_do_not_understand_each_other() {
    let files = Files::new("mixed");
    let (certificate, key) = files.pair("server");
    let tls = start(&certificate, &key).await;
    let plain = Receiver::start(patient()).await;
    let mut caller = caller(Trust::Anybody);
    let reply = post(&mut caller, &plain, "127.0.0.1", 1).await;
    assert_eq!(reply, Err(CallError::Tls));
    let mut peer = Raw::dial(&tls).await;
    peer.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    peer.hung_up().await;
    let reply = post(&mut caller, &tls, "127.0.0.1", 1).await;
    assert_eq!(reply.unwrap().status, 200);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_hung_up_on() {
    let files = Files::new("stall");
    let (certificate, key) = files.pair("server");
    let receiver = start(&certificate, &key).await;
    let mut silent = Raw::dial(&receiver).await;
    let mut halting = Raw::dial(&receiver).await;
    // The beginning of a ClientHello of 512 bytes.
    halting.say([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await;
    let reply = post(&mut caller(Trust::Anybody), &receiver, "127.0.0.1", 1).await;
    assert_eq!(reply.unwrap().status, 200);
    silent.hung_up().await;
    halting.hung_up().await;
}

#[tokio::test]
async fn foreign_clients_push_over_tls() {
    let files = Files::new("foreign");
    let (certificate, key) = files.pair("server");
    let receiver = start(&certificate, &key).await;
    let port = receiver.address().port();
    let url = format!("https://localhost:{port}/Record");
    let picture = files.write("body", &"x".repeat(3 << 20));
    let python = std::env::var("INTEROP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--noproxy", "*", "--ipv4", "--cacert"])
        .args([certificate.as_os_str(), "--data-binary".as_ref()])
        .arg(format!("@{}", picture.display()))
        .arg(&url);
    let mut script = Command::new(python);
    script.args(["-c", PUSH]).arg(&certificate).arg(&url);
    for (mut command, program, len) in [(curl, "curl", 3 << 20), (script, "python", 62_000)] {
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        match output.unwrap() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert_eq!(said.trim(), format!("read {len}"), "{output:?}");
            }
            Err(error) => {
                let is_required = std::env::var_os("INTEROP").is_some_and(|v| v == "required");
                assert!(!is_required, "{program} is needed: {error}");
                eprintln!("skipped: {program} does not run here: {error}");
            }
        }
    }
}

#[test]
fn wrong_files_are_named_with_what_to_do() {
    let files = Files::new("wrong");
    let (certificate, key) = files.pair("server");
    let (_, other_key) = files.pair("other");
    let missing = files.0.join("missing.pem");
    let text = files.write("text.pem", "no PEM at all\n");
    let damaged = "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n";
    let damaged = files.write("damaged.pem", damaged);
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let hollow = files.write("hollow.pem", hollow);
    for (certificate, key, words) in [
        (&missing, &key, ["cannot read", "missing.pem"]),
        (&certificate, &missing, ["cannot read", "missing.pem"]),
        (&text, &key, ["has no certificate", "text.pem"]),
        (&key, &key, ["has no certificate", "server.key"]),
        (
            &certificate,
            &certificate,
            ["has no private key", "server.pem"],
        ),
        (&damaged, &key, ["is damaged", "damaged.pem"]),
        (&hollow, &key, ["do not work", "hollow.pem"]),
        (&certificate, &other_key, ["is not the one of", "other.key"]),
    ] {
        let error = acceptor(certificate, key, HTTP).err().unwrap().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    for (path, words) in [
        (&missing, "cannot read"),
        (&key, "has no certificate"),
        (&hollow, "no authority's"),
    ] {
        let trust = Trust::Authorities(path.clone());
        let error = Caller::new(Dialing {
            trust,
            ..Dialing::default()
        });
        let error = error.err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(KeyPin::read(&hollow).is_err());
}

#[tokio::test]
async fn the_process_keeps_its_choice_of_cryptography() {
    let files = Files::new("provider");
    let (certificate, key) = files.pair("server");
    let receiver = start(&certificate, &key).await;
    let reply = post(&mut caller(Trust::Anybody), &receiver, "127.0.0.1", 1).await;
    assert_eq!(reply.unwrap().status, 200);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

const PUSH: &str = r#"
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
print(opener.open(sys.argv[2], b"x" * 62000).read().decode())
"#;

async fn start(certificate: &Path, key: &Path) -> Receiver {
    let limits = Limits {
        handshake: kit::millis(1000),
        ..patient()
    };
    Receiver::start_tls(limits, Some(acceptor(certificate, key, HTTP).unwrap())).await
}

fn caller(trust: Trust) -> Caller {
    Caller::new(Dialing {
        trust,
        // Some systems give `localhost` an IPv6 address first.
        allows: std::sync::Arc::new(|address| address.is_ipv4()),
        ..Dialing::default()
    })
    .unwrap()
}

async fn post(
    caller: &mut Caller,
    receiver: &Receiver,
    host: &str,
    len: usize,
) -> Result<Reply, CallError> {
    let place = Place {
        is_tls: true,
        host: host.to_owned(),
        port: receiver.address().port(),
    };
    let call = Call {
        method: "POST".to_owned(),
        path: "/Record".to_owned(),
        body: vec![body(len)],
        ..Call::default()
    };
    caller.exchange(&place, call, kit::PATIENCE).await
}

/// A folder of PEM files, gone when this is.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("http-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A certificate for `localhost` that signs itself, and its key.
    fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = self.write(&format!("{name}.pem"), &pair.cert.pem());
        let key = pair.signing_key.serialize_pem();
        (certificate, self.write(&format!("{name}.key"), &key))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
