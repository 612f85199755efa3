//! `face_terminal` and `face_receiver`, killed again and again, through a cable that breaks anywhere.

#![allow(
    clippy::disallowed_methods,
    reason = "when a process is killed is what matters here"
)]

mod kit;

use drive::faces::Dice;
use kit::cable::Cable;
use kit::{Folder, Program, example};
use std::time::Duration;

const RECORDS: i64 = 2_000;
const KILLS: usize = 10;

/// Each life of the terminal has the next firmware: the records of some have an id, others' have none.
const PROFILES: [&str; 3] = ["1.1", "1.3", "1.2.1"];

#[test]
fn whoever_is_killed_and_whatever_breaks_every_record_arrives_once_in_order() {
    let folder = Folder::new("face-chaos");
    let cable = Cable::new("", 5);
    let mut dice = Dice(7);
    let mut receiver = receive(&folder, &cable);
    let mut profiles = PROFILES.into_iter().cycle();
    let mut terminal = record(&folder, &cable, profiles.next().unwrap());
    for _ in 0..KILLS {
        pause(&mut dice);
        receiver.kill();
        pause(&mut dice);
        receiver = receive(&folder, &cable);
        pause(&mut dice);
        cable.cut(true);
        pause(&mut dice);
        cable.cut(false);
        terminal.kill();
        pause(&mut dice);
        terminal = record(&folder, &cable, profiles.next().unwrap());
    }
    cable.mend();
    let status = terminal.finish();
    assert!(status.success(), "{}", terminal.said());
    receiver.signal("TERM");
    let status = receiver.finish();
    assert!(status.success(), "{}", receiver.said());
    assert!(cable.breaks() > KILLS, "{}", cable.breaks());

    let database = rusqlite::Connection::open(folder.join("records.db")).unwrap();
    let mut rows = database
        .prepare("SELECT CAST(user_id AS INTEGER) FROM records ORDER BY id")
        .unwrap();
    let ids = rows.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let ids: Vec<i64> = ids.map(Result::unwrap).collect();
    assert!(ids.iter().copied().eq(1..=RECORDS), "{ids:?}");
    let quarantined = "SELECT count(*) FROM quarantine";
    let quarantined: i64 = database
        .query_row(quarantined, [], |row| row.get(0))
        .unwrap();
    assert_eq!(quarantined, 0);
}

fn receive(folder: &Folder, cable: &Cable) -> Program {
    let mut command = example("face_receiver");
    command.args(["--listen", "127.0.0.1:0"]);
    command.args(["--db", &folder.join("records.db")]);
    command.args(["--pictures", &folder.join("pictures")]);
    let program = Program::start(command);
    let line = program.err.line_with("listening ");
    let url = line.split(' ').find(|word| word.starts_with("http://"));
    let address = url.and_then(|url| url.split('/').nth(2));
    cable.lead_to(address.unwrap_or_else(|| panic!("no address in {line:?}")));
    program
}

fn record(folder: &Folder, cable: &Cable, profile: &str) -> Program {
    let mut command = example("face_terminal");
    let dest = format!("http://{}/Record", cable.address());
    let count = RECORDS.to_string();
    command.args(["--dest", &dest, "--data", &folder.join("terminal")]);
    command.args([
        "--count",
        &count,
        "--rate",
        "150",
        "--picture-bytes",
        "6000",
    ]);
    command.args(["--seed", "3", "--allow-special", "--profile", profile]);
    Program::start(command)
}

/// Lets things happen for a moment. What matters is that the moments differ.
fn pause(dice: &mut Dice) {
    let millis = u64::try_from(dice.below(250)).unwrap();
    std::thread::sleep(Duration::from_millis(millis));
}
