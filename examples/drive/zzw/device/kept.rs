//! What was delivered, on the disk until it is dealt with.

use bytes::Bytes;
use lenient_wire::ObjectWriter;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinHandle;
use zzw_push_proto::device::Seq;
use zzw_push_proto::wire::{Delivery, Json, Lenience, Message, Mid};

/// The deliveries of one alias, a line each, in a file that is appended to.
///
/// ```text
/// {"deliveries":1,"alias":"m_2"}
/// 17 5f1c9a02 {"t":5,"alias":"m_2","mid":"42","msg":"有人按门铃"}
/// ```
///
/// The number grows with every delivery; the digits behind it are the start of the SHA-256 of the
/// number and the message. A line that was not written whole is the last one, and its delivery was
/// never acknowledged. When the file has grown it is written anew: with what was not dealt with, and
/// with the ids of the last deliveries, whose bodies are left out.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    alias: String,
    file: File,
    length: u64,
    /// It is written anew when it is longer than this.
    renew_at: u64,
    remembered: usize,
    reported: Reported,
    /// Why nothing more can be written, once that is so.
    broken: Option<String>,
    _lock: File, // for as long as this lives
}

/// How far deliveries are dealt with: a number in a file of its own, written in place.
#[derive(Debug, Clone)]
pub(super) struct Reported {
    file: Arc<File>,
    last: Arc<AtomicU64>,
}

/// What a folder held.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) reported: Reported,
    pub(super) next_seq: Seq,
    pub(super) mids: Vec<Mid>,
    pub(super) unreported: Vec<Unreported>,
}

/// A delivery that was not dealt with, and its number.
pub(super) type Unreported = (u64, Delivery);

/// A [`Journal`] that is written off the task, because a disk may take its time.
#[derive(Debug)]
pub(super) struct Keeper {
    journal: Option<Journal>, // while nothing is being written
    writing: Option<JoinHandle<(Journal, Written)>>,
    waiting: Vec<(Seq, Delivery)>,
}

/// What has been written, or has not.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) seqs: Vec<Seq>,
    pub(super) failed: Option<String>,
}

/// What stands in a file, and up to where it does.
struct Content {
    entries: Vec<Unreported>,
    length: usize,
}

/// A shorter file is not worth writing anew.
const RENEW_AT: u64 = 1 << 20;

impl Journal {
    /// Opens the folder, which is made if it is not there, for one alias.
    ///
    /// # Errors
    ///
    /// If another process has it, it is another alias's, it is damaged, or the system refuses.
    pub(super) fn open(folder: &Path, alias: &str, remembered: usize) -> io::Result<Opened> {
        fs::create_dir_all(folder).map_err(|error| named(folder, &error))?;
        let lock = open(&folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let text = format!(
                    "{} is in use: end the other program, or name another folder",
                    folder.display()
                );
                io::Error::new(io::ErrorKind::AddrInUse, text)
            }
            TryLockError::Error(error) => named(folder, &error),
        })?;
        let path = folder.join("deliveries");
        let file = open(&path)?;
        let content = Content::read(&path, alias)?;
        // What follows was not written whole.
        file.set_len(content.length as u64)?;
        let reported = Reported::open(&folder.join("reported"))?;
        let done = reported.last();
        let newest = content.entries.last().map_or(0, |(seq, _)| *seq);
        let mids = content.entries.iter().rev().take(remembered).rev();
        let mut opened = Opened {
            next_seq: Seq(newest.max(done).saturating_add(1)),
            mids: mids.map(|(_, delivery)| delivery.mid.clone()).collect(),
            unreported: Vec::new(),
            reported: reported.clone(),
            journal: Self {
                path,
                alias: alias.to_owned(),
                file,
                length: content.length as u64,
                renew_at: RENEW_AT,
                remembered,
                reported,
                broken: None,
                _lock: lock,
            },
        };
        let is_open = |entry: &Unreported| entry.0 > done;
        opened.unreported = content.entries.into_iter().filter(is_open).collect();
        if opened.journal.length == 0 {
            opened.journal.renew()?;
        }
        Ok(opened)
    }

    /// Adds deliveries. When this returns, they survive a power cut.
    fn append(&mut self, deliveries: &[(Seq, Delivery)]) -> Result<(), String> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        let mut lines = Vec::new();
        for (seq, delivery) in deliveries {
            push_line(seq.0, delivery, &mut lines);
        }
        if let Err(error) = self.file.write_all_at(&lines, self.length) {
            // Part of a line at the end is no line.
            if let Err(error) = self.file.set_len(self.length) {
                self.broken = Some(format!("{}: {error}", self.path.display()));
            }
            return Err(format!("{}: {error}", self.path.display()));
        }
        if let Err(error) = self.file.sync_data() {
            // What the system has dropped by that, nobody knows.
            let why = format!("{}: {error}; start again", self.path.display());
            self.broken = Some(why.clone());
            return Err(why);
        }
        self.length = self.length.saturating_add(lines.len() as u64);
        if self.length > self.renew_at {
            // It goes on growing until that works again.
            let _ = self.renew();
            self.renew_at = RENEW_AT.max(self.length.saturating_mul(2));
        }
        Ok(())
    }

    /// Writes a file with what is still needed, and puts it in the place of this one.
    fn renew(&mut self) -> io::Result<()> {
        // Whose body is left out must not be told again after a power cut.
        self.reported.file.sync_data()?;
        let done = self.reported.last();
        let content = Content::read(&self.path, &self.alias)?;
        let mut bytes = header(&self.alias);
        let old = content.entries.len().saturating_sub(self.remembered);
        for (nth, (seq, delivery)) in content.entries.iter().enumerate() {
            if *seq > done {
                push_line(*seq, delivery, &mut bytes);
            } else if nth >= old {
                let null = Json::parse("null").map_err(io::Error::other)?;
                let bare = Delivery::new(self.alias.as_str(), delivery.mid.clone(), null);
                push_line(*seq, &bare, &mut bytes);
            }
        }
        let new = self.path.with_extension("new");
        let file = open(&new)?;
        file.set_len(0)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        (self.file, self.length) = (file, bytes.len() as u64);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Reported {
    fn open(path: &Path) -> io::Result<Self> {
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8(text).unwrap_or_default();
        let file = open(path)?;
        // What cannot be read is none: then more is told again.
        let reported = Self {
            file: Arc::new(file),
            last: Arc::new(AtomicU64::new(text.trim().parse().unwrap_or(0))),
        };
        reported.write(reported.last())?;
        Ok(reported)
    }

    /// Everything up to this number is dealt with.
    pub(super) fn note(&self, seq: u64) {
        self.last.store(seq, Ordering::Relaxed);
        // If this fails, it is told again after a restart.
        let _ = self.write(seq);
    }

    fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// One write of the same length into one page, which a process that is killed has done or not.
    fn write(&self, seq: u64) -> io::Result<()> {
        self.file.write_all_at(format!("{seq:020}\n").as_bytes(), 0)
    }
}

impl Content {
    fn read(path: &Path, alias: &str) -> io::Result<Self> {
        let bytes = Bytes::from(fs::read(path)?);
        let header = header(alias);
        if !bytes.starts_with(&header) {
            // A header that was not written whole is not followed by anything.
            if header.starts_with(&bytes) {
                return Ok(Self {
                    entries: Vec::new(),
                    length: 0,
                });
            }
            return Err(wrong(path, "is not of this alias; name another folder"));
        }
        let (mut entries, mut length) = (Vec::<Unreported>::new(), header.len());
        let mut at = length;
        for line in bytes[length..].split_inclusive(|byte| *byte == b'\n') {
            let line = bytes.slice_ref(line);
            let next = at + line.len();
            if let Some(entry) = parse(&line) {
                if length < at || entries.last().is_some_and(|last| last.0 >= entry.0) {
                    let advice = "is damaged; move it away (what was not dealt with is lost)";
                    return Err(wrong(path, advice));
                }
                entries.push(entry);
                length = next;
            }
            at = next;
        }
        Ok(Self { entries, length })
    }
}

impl Keeper {
    pub(super) fn new(journal: Journal) -> Self {
        Self {
            journal: Some(journal),
            writing: None,
            waiting: Vec::new(),
        }
    }

    /// Keeps a delivery; [`Self::written`] says when. As many wait as the machine lets.
    pub(super) fn put(&mut self, seq: Seq, delivery: Delivery) {
        self.waiting.push((seq, delivery));
        self.write();
    }

    /// What has been written; for ever, if nothing is. Safe to cancel.
    pub(super) async fn written(keeper: Option<&mut Self>) -> Written {
        let Some(keeper) = keeper else {
            return std::future::pending().await;
        };
        let Some(writing) = &mut keeper.writing else {
            return std::future::pending().await;
        };
        let (journal, written) = match writing.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return std::future::pending().await, // the runtime ends
        };
        (keeper.journal, keeper.writing) = (Some(journal), None);
        keeper.write();
        written
    }

    /// Waits until everything is written.
    pub(super) async fn finish(&mut self) {
        while self.writing.is_some() {
            Self::written(Some(self)).await;
        }
    }

    /// All that waits, with one wait for the disk.
    fn write(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        let deliveries = std::mem::take(&mut self.waiting);
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let failed = journal.append(&deliveries).err();
            let seqs = deliveries.into_iter().map(|(seq, _)| seq).collect();
            (journal, Written { seqs, failed })
        }));
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn wrong(path: &Path, advice: &str) -> io::Error {
    let text = format!("{} {advice}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn header(alias: &str) -> Vec<u8> {
    let mut line = Vec::new();
    let mut object = ObjectWriter::new(&mut line);
    object.display("deliveries", 1).text("alias", alias);
    object.end();
    line.push(b'\n');
    line
}

fn push_line(seq: u64, delivery: &Delivery, out: &mut Vec<u8>) {
    let mut frame = Vec::new();
    Message::Deliver(delivery.clone()).encode(&mut frame);
    out.extend_from_slice(format!("{seq} {} ", digest(seq, &frame)).as_bytes());
    out.extend_from_slice(&frame);
    out.push(b'\n');
}

fn parse(line: &Bytes) -> Option<Unreported> {
    let line = line.slice_ref(line.strip_suffix(b"\n")?);
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let seq = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let (sum, frame) = (parts.next()?, parts.next()?);
    if digest(seq, frame).as_bytes() != sum {
        return None;
    }
    let decoded = Message::decode_from_server(line.slice_ref(frame), Lenience::Vendor).ok()?;
    match decoded.message {
        Message::Deliver(delivery) => Some((seq, delivery)),
        _ => None,
    }
}

fn digest(seq: u64, frame: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(seq.to_be_bytes());
    hash.update(frame);
    let mut text = String::new();
    for byte in &hash.finalize()[..4] {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
