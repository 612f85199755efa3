use super::*;
use crate::faces::Dice;

/// A folder that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zzw-kept-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> io::Result<Opened> {
        Journal::open(&self.0, "m_2", REMEMBERED)
    }

    fn file(&self) -> PathBuf {
        self.0.join("deliveries")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const REMEMBERED: usize = 8;

/// The delivery of this number, as a server would send it.
fn delivery(nth: u64) -> Delivery {
    let json = format!(
        r#"{{"t":5,"alias":"m_2","mid":"{}","msg":"第 {nth} 条\n\"","topic":"大厅","x":1}}"#,
        nth + 40
    );
    match Message::decode_from_server(json.into(), Lenience::Vendor)
        .unwrap()
        .message
    {
        Message::Deliver(delivery) => delivery,
        other => panic!("{other:?}"),
    }
}

fn append(journal: &mut Journal, numbers: impl IntoIterator<Item = u64>) {
    let numbers = numbers.into_iter();
    let deliveries: Vec<_> = numbers.map(|nth| (Seq(nth), delivery(nth))).collect();
    journal.append(&deliveries).unwrap();
}

fn expected(numbers: impl IntoIterator<Item = u64>) -> Vec<Unreported> {
    numbers
        .into_iter()
        .map(|nth| (nth, delivery(nth)))
        .collect()
}

#[test]
fn what_was_kept_and_not_dealt_with_is_found_again() {
    let scratch = Scratch::new("found");
    let mut opened = scratch.open().unwrap();
    assert_eq!((opened.next_seq, opened.mids.len()), (Seq(1), 0));
    append(&mut opened.journal, 1..=20);
    opened.reported.note(17);
    drop(opened);
    let opened = scratch.open().unwrap();
    assert_eq!(opened.next_seq, Seq(21));
    assert_eq!(opened.unreported, expected(18..=20));
    let mids: Vec<&str> = opened.mids.iter().map(Mid::as_str).collect();
    assert_eq!(mids, ["53", "54", "55", "56", "57", "58", "59", "60"]);
}

#[test]
fn a_file_that_ends_anywhere_holds_what_was_whole_and_goes_on() {
    let scratch = Scratch::new("cut");
    append(&mut scratch.open().unwrap().journal, 1..=4);
    let whole = fs::read(scratch.file()).unwrap();
    let header = header("m_2").len();
    for length in 0..=whole.len() {
        fs::write(scratch.file(), &whole[..length]).unwrap();
        let lines = whole[..length].split_inclusive(|byte| *byte == b'\n');
        let lines = lines.filter(|line| line.ends_with(b"\n")).count();
        let kept = lines.saturating_sub(1) as u64;
        let mut opened = scratch.open().unwrap();
        assert_eq!(opened.unreported, expected(1..=kept), "cut at {length}");
        assert_eq!(opened.next_seq, Seq(kept + 1));
        append(&mut opened.journal, [kept + 1]);
        drop(opened);
        let again = scratch.open().unwrap();
        assert_eq!(
            again.unreported,
            expected(1..=kept + 1),
            "cut at {length} of {header}"
        );
    }
}

#[test]
fn a_file_in_which_something_has_changed_is_never_read_wrongly() {
    let scratch = Scratch::new("changed");
    append(&mut scratch.open().unwrap().journal, 1..=4);
    let whole = fs::read(scratch.file()).unwrap();
    let original = expected(1..=4);
    let mut refused = 0;
    let mut dice = Dice(3);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << dice.below(8);
        fs::write(scratch.file(), &changed).unwrap();
        match scratch.open() {
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
                refused += 1;
            }
            // Only what stands at the end can be taken for something that was never whole.
            Ok(opened) => assert!(
                opened.unreported.len() >= 2 && original.starts_with(&opened.unreported),
                "changed at {at}"
            ),
        }
    }
    assert!(refused > whole.len() / 2, "{refused}");
}

#[test]
fn a_file_that_has_grown_is_written_anew_with_what_is_needed() {
    let scratch = Scratch::new("renewed");
    let mut opened = scratch.open().unwrap();
    let mut longest = 0;
    for first in (1..=30_000).step_by(500) {
        append(&mut opened.journal, first..first + 500);
        opened.reported.note(first + 479);
        longest = longest.max(fs::metadata(scratch.file()).unwrap().len());
    }
    assert!(longest < RENEW_AT + (64 << 10), "{longest}");
    drop(opened);
    let opened = scratch.open().unwrap();
    assert_eq!(opened.next_seq, Seq(30_001));
    assert_eq!(opened.unreported, expected(29_981..=30_000));
    assert_eq!(opened.mids.len(), REMEMBERED);
}

#[test]
fn what_is_not_dealt_with_outlives_a_file_that_is_written_anew() {
    let scratch = Scratch::new("outlives");
    let mut opened = scratch.open().unwrap();
    append(&mut opened.journal, 1..=20);
    opened.reported.note(3);
    opened.journal.renew().unwrap();
    append(&mut opened.journal, [21]);
    drop(opened);
    let opened = scratch.open().unwrap();
    assert_eq!(opened.unreported, expected(4..=21));
}

#[test]
fn a_note_that_cannot_be_read_means_that_everything_is_told_again() {
    let scratch = Scratch::new("note");
    append(&mut scratch.open().unwrap().journal, 1..=3);
    for note in [&b""[..], b"\xff\xff", b"soon"] {
        fs::write(scratch.0.join("reported"), note).unwrap();
        assert_eq!(scratch.open().unwrap().unreported, expected(1..=3));
    }
    fs::remove_file(scratch.file()).unwrap();
    fs::write(scratch.0.join("reported"), "7").unwrap();
    // Numbers that were told are not told for something else.
    assert_eq!(scratch.open().unwrap().next_seq, Seq(8));
}

#[test]
fn a_disk_that_cannot_be_written_to_is_told_each_time() {
    let scratch = Scratch::new("sick");
    let mut opened = scratch.open().unwrap();
    append(&mut opened.journal, [1]);
    opened.journal.file = File::open(scratch.file()).unwrap(); // to be read only
    for _ in 0..2 {
        let failed = opened.journal.append(&[(Seq(2), delivery(2))]);
        assert!(failed.unwrap_err().contains("deliveries"));
    }
    drop(opened);
    assert_eq!(scratch.open().unwrap().unreported, expected([1]));
}
