//! Rooms on port 9000 for programs that others have written libraries for.

mod kit;
mod kit_zzw;

use drive::zzw::server::Server;
use kit::{Folder, Program, is_there};
use kit_zzw::{Guest, Heard, serve};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::process::Command;

const CAMERA: &str = "/capture-7-3-2/0";
const VIEWER: &str = "/capture-7-3-2/1";

/// A program that goes into a room, by the name of its language.
type Client = fn(&Server, &str, &[&str]) -> Option<Program>;

#[tokio::test]
async fn a_camera_is_seen_and_hears_its_viewers_in_either_language() {
    for (camera, viewer) in [(python as Client, node as Client), (node, python)] {
        let server = serve(|_| {}).await;
        let steps = [
            "hear",
            "show:100000:1",
            "hear",
            "show:1048576:2",
            "hear",
            "show:0:0",
        ];
        let Some(mut camera) = camera(&server, CAMERA, &steps) else {
            return;
        };
        is_in(&mut camera).await;
        let steps = ["say:太暗了 1", "hear", "say:2", "hear", "say:3", "hear"];
        let Some(viewer) = viewer(&server, VIEWER, &steps) else {
            return;
        };
        let (camera, viewer) = (lines(camera).await, lines(viewer).await);
        assert_eq!(camera[1..], ["text 太暗了 1", "text 2", "text 3"]);
        assert_eq!(
            viewer[1..],
            [shown(100_000, 1), shown(1 << 20, 2), shown(0, 0)]
        );
    }
}

#[tokio::test]
async fn a_call_between_languages_keeps_texts_and_their_order() {
    let server = serve(|_| {}).await;
    let words = |side: &str| -> Vec<String> {
        (0..40)
            .flat_map(|number| [format!("say:{side} {number} 😀"), "hear".to_owned()])
            .collect()
    };
    let (one, other) = (words("主叫"), words("被叫"));
    let [one, other] =
        [&one, &other].map(|steps| steps.iter().map(String::as_str).collect::<Vec<_>>());
    let Some(calling) = python(&server, "/1203/0/android", &one) else {
        return;
    };
    let Some(called) = node(&server, "/1203/1/ios", &other) else {
        return;
    };
    let (calling, called) = (lines(calling).await, lines(called).await);
    let heard = |side: &str| -> Vec<String> {
        (0..40)
            .map(|number| format!("text {side} {number} 😀"))
            .collect()
    };
    assert_eq!(calling[1..], heard("被叫"));
    assert_eq!(called[1..], heard("主叫"));
}

#[tokio::test]
async fn a_goodbye_has_its_status_in_either_language() {
    for client in [python as Client, node] {
        let server = serve(|_| {}).await;
        let Some(mut old) = client(&server, CAMERA, &["closed"]) else {
            return;
        };
        is_in(&mut old).await;
        let Some(mut new) = client(&server, CAMERA, &["closed"]) else {
            return;
        };
        assert_eq!(lines(old).await[1..], ["closed 4001"]);
        is_in(&mut new).await;
        server.stop().await.unwrap();
        assert_eq!(lines(new).await[1..], ["closed 1001"]);
        let server = serve(|_| {}).await;
        let many = client(&server, "/meeting", &["closed"]).unwrap();
        assert_eq!(lines(many).await[1..], ["closed 1008"]);
    }
}

#[tokio::test]
async fn python_posts_pictures() {
    let server = serve(|_| {}).await;
    let url = format!("http://{}{CAMERA}", server.addresses().relay);
    let Some(mut command) = python_command("camera_posts.py", "import http.client") else {
        return;
    };
    let mut viewer = Guest::enter(&server, VIEWER).await;
    command.args([&url, "200000"]);
    assert_eq!(lines(Program::start(command)).await, ["200"; 4]);
    // Whatever it was busy with before, it ends with the last one.
    while viewer.hear().await != Heard::Binary(vec![4; 200_000]) {}
}

#[tokio::test]
async fn curl_posts_pictures_and_is_told_what_it_does_wrong() {
    let mut version = Command::new("curl");
    version.arg("--version");
    if !is_there(version) {
        return;
    }
    let server = serve(|_| {}).await;
    let at = format!("http://{}", server.addresses().relay);
    let folder = Folder::new("zzw-curl");
    let picture = vec![9; 300_000];
    std::fs::write(folder.join("a.jpg"), &picture).unwrap();
    let file = format!("@{}", folder.join("a.jpg"));
    let mut viewer = Guest::enter(&server, VIEWER).await;
    let camera = format!("{at}{CAMERA}");
    let forms: [&[&str]; 5] = [
        &[],
        &["-H", "Expect: 100-continue"],
        &["-H", "Transfer-Encoding: chunked"],
        &["--http1.0"],
        &["-H", "Content-Type:"],
    ];
    for form in forms {
        let args = [form, &["--data-binary", &file, &camera]].concat();
        assert_eq!(curl(&args).await, (200, "taken\n".to_owned()), "{form:?}");
        viewer.sees(&picture).await;
    }
    let wrong = [
        (
            &["-T", &folder.join("a.jpg"), &camera] as &[&str],
            405,
            "POST is for pictures",
        ),
        (
            &["--data-binary", &file, &format!("{at}/1203/0/ios")],
            405,
            "POST is for pictures",
        ),
        (&[&camera], 426, "ws://"),
        (
            &[&format!("{at}/capture-7-3/0")],
            404,
            "capture-<community>-<building>-<unit>",
        ),
        (&[&format!("{at}/favicon.ico/x")], 404, "0 or 1"),
    ];
    for (args, status, words) in wrong {
        let (told, line) = curl(args).await;
        assert!(
            told == status && line.contains(words),
            "{args:?}: {told} {line}"
        );
    }
}

fn python(server: &Server, path: &str, steps: &[&str]) -> Option<Program> {
    let command = python_command("room_client.py", "import websocket")?;
    Some(go(command, server, path, steps))
}

fn node(server: &Server, path: &str, steps: &[&str]) -> Option<Program> {
    let modules = std::env::var_os("INTEROP_NODE_PATH").unwrap_or_else(|| "node_modules".into());
    let mut requires = Command::new("node");
    requires
        .env("NODE_PATH", &modules)
        .args(["-e", "require('ws')"]);
    let mut command = Command::new("node");
    command
        .env("NODE_PATH", modules)
        .arg(script("room_client.js"));
    is_there(requires).then(|| go(command, server, path, steps))
}

fn python_command(name: &str, check: &str) -> Option<Command> {
    let python = std::env::var_os("INTEROP_PYTHON").unwrap_or_else(|| "python3".into());
    let mut imports = Command::new(&python);
    imports.args(["-c", check]);
    let mut command = Command::new(python);
    command.env("PYTHONIOENCODING", "utf-8").arg(script(name));
    is_there(imports).then_some(command)
}

fn go(mut command: Command, server: &Server, path: &str, steps: &[&str]) -> Program {
    command
        .arg(format!("ws://{}{path}", server.addresses().relay))
        .args(steps);
    Program::start(command)
}

fn script(name: &str) -> String {
    format!("{}/tests/interop/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// All that it says until it ends well. It is waited for beside the server, which is in this process.
async fn lines(mut program: Program) -> Vec<String> {
    let ended = tokio::task::spawn_blocking(move || {
        assert!(program.finish().success(), "{}", program.said());
        program.out.lines()
    });
    ended.await.unwrap()
}

/// Waits until it is in its room.
async fn is_in(program: &mut Program) {
    let out = program.out.clone();
    let line = tokio::task::spawn_blocking(move || out.line_with("in"));
    assert_eq!(line.await.unwrap(), "in");
}

async fn curl(args: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command
        .args(["-s", "-m", "50", "-w", "\n%{http_code}"])
        .args(args);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let said = String::from_utf8(output.await.unwrap().stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// How a picture of equal bytes is printed.
fn shown(length: usize, byte: u8) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(vec![byte; length]) {
        let _ = write!(digits, "{byte:02x}");
    }
    format!("binary {length} {digits}")
}
