//! What a terminal says that cannot start.

use crate::kit::{Folder, Program, example};
use crate::terminal;
use std::net::TcpListener;

#[test]
fn wrong_arguments_are_told() {
    for (args, why) in [
        (vec!["--dest", "http://127.0.0.1/Record"], "--data"),
        (vec!["--data", "x", "--dest", "ftp://x/"], "begin with http"),
        (vec!["--data", "x", "--dest", "http://a b/"], "character"),
        (vec!["--data", "x", "--profile", "2"], "1.0, 1.1, 1.2"),
        (vec!["--data", "x", "--rate", "-1"], "people a second"),
        (vec!["--data", "x", "--rate", "NaN"], "people a second"),
        (
            vec!["--data", "x", "--picture-bytes", "99999999"],
            "16777216",
        ),
        (
            vec!["--data", "x", "--api", "8000"],
            "an ip address and a port",
        ),
    ] {
        let mut command = example("face_terminal");
        command.args(&args);
        let mut program = Program::start(command);
        assert_eq!(program.finish().code(), Some(2), "{args:?}");
        let said = program.err.lines().join("\n");
        assert!(said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new("face-port");
    let mut program = terminal(&folder, None, &["--api", &address]);
    refused(&mut program, "the port is taken");
}

#[test]
fn a_store_that_is_in_use_is_told() {
    let folder = Folder::new("face-in-use");
    let first = terminal(&folder, None, &["--rate", "0"]);
    first.out.line_with("terminal ");
    let mut second = terminal(&folder, None, &["--rate", "0"]);
    refused(&mut second, "is already in use");
}

#[test]
fn a_store_of_another_kind_is_told_and_left_as_it_is() {
    let folder = Folder::new("face-foreign");
    let path = folder.path().join("terminal");
    std::fs::create_dir(&path).unwrap();
    let file = path.join("outbox.redb");
    std::fs::write(&file, "a shopping list").unwrap();
    let mut program = terminal(&folder, None, &["--rate", "0"]);
    refused(&mut program, "belongs to another program: move it away");
    assert_eq!(std::fs::read(&file).unwrap(), b"a shopping list");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told() {
    let folder = Folder::new("face-read-only");
    let path = folder.path().join("terminal");
    std::fs::create_dir(&path).unwrap();
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    // For whom permissions mean nothing, there are folders of the system.
    let is_superuser = std::fs::write(path.join("probe"), "").is_ok();
    let mut program = if is_superuser {
        let mut command = example("face_terminal");
        command.args(["--data", "/proc/self", "--api", "127.0.0.1:0"]);
        Program::start(command)
    } else {
        terminal(&folder, None, &["--rate", "0"])
    };
    refused(&mut program, "cannot write to ");
}

fn refused(program: &mut Program, why: &str) {
    assert_eq!(program.finish().code(), Some(1), "{}", program.said());
    let line = program.err.line_with("face_terminal: ");
    assert!(line.contains(why), "{line}");
}
