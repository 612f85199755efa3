//! The broker's store on disk beside SQLite: keeping messages so that they survive a power cut,
//! reading the queues of all aliases, forgetting what was acknowledged.
//!
//! Compared by the wall clock, since the disk is what they wait for: each round, both keep the same
//! messages in groups of the same size, one transaction a group. `bytes written` are those handed to
//! the system.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::doc_markdown,
    reason = "disks are measured by the wall clock; counts are far below 2^52; SQLite is a name"
)]

use benches::{is_measured, median};
use drive::zzw::store::{Folder, Kept, Settings};
use rusqlite::{Connection, OptionalExtension as _};
use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use zzw_push_proto::platform::{MessageId, StoreOp, StoreReply, UnixMillis};
use zzw_push_proto::wire::{Json, Text, Ttl};

/// So many aliases take turns.
const ALIASES: usize = 2_000;

/// Bytes of a body.
const BODY: usize = 300;

/// Messages that are kept for one alias.
const CAP: u8 = 100;

fn main() {
    let directory = std::env::temp_dir().join(format!("zzw-store-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    let mut peers: [(&str, Box<dyn Peer>); 2] = [
        ("ours, redb", Box::new(Ours::new(&directory))),
        ("SQLite, WAL, FULL", Box::new(Sqlite::new(&directory))),
    ];
    let (large, small) = if is_measured() { (1_536, 48) } else { (64, 2) };
    keep(&mut peers, 64, large);
    keep(&mut peers, 1, small);
    drain(&mut peers);
    acknowledge(&mut peers, 64, large);
    println!("## zzw: size of the files\n");
    for (name, peer) in &peers {
        println!("{name:<24} {:>12} bytes", peer.file_len(&directory));
    }
    drop(peers);
    fs::remove_dir_all(&directory).expect("nobody uses it any more");
}

/// Keeps messages; returns once each is safe.
trait Peer {
    fn keep(&mut self, messages: &[(Text, Json)]) -> Vec<MessageId>;

    /// Reads what there is for each alias; returns how much.
    fn read(&mut self, aliases: &[Text]) -> usize;

    fn acknowledge(&mut self, arrived: &[(Text, MessageId)]);

    fn file_len(&self, directory: &Path) -> u64;
}

type Peers = [(&'static str, Box<dyn Peer>); 2];

fn keep(peers: &mut Peers, group: usize, count: usize) {
    println!("## zzw: durable messages of {BODY} B for {ALIASES} aliases, {group} a group\n");
    let mut next = 0;
    measure(peers, count, |peer, round| {
        next = round * count;
        let messages: Vec<_> = (next..next + count).map(message).collect();
        let start = Instant::now();
        for group in messages.chunks(group) {
            assert_eq!(peer.keep(group).len(), group.len());
        }
        start.elapsed().as_secs_f64()
    });
}

fn drain(peers: &mut Peers) {
    println!("## zzw: reading the queues of {ALIASES} aliases, 64 a group\n");
    let aliases: Vec<Text> = (0..ALIASES).map(alias).collect();
    measure(peers, ALIASES, |peer, _| {
        let start = Instant::now();
        let read: usize = aliases.chunks(64).map(|group| peer.read(group)).sum();
        assert!(read > 0);
        start.elapsed().as_secs_f64()
    });
}

fn acknowledge(peers: &mut Peers, group: usize, count: usize) {
    println!("## zzw: acknowledgements of a message each, {group} a group\n");
    measure(peers, count, |peer, round| {
        let messages: Vec<_> = (0..count).map(|nth| message(round + 7 * nth)).collect();
        let mut kept = Vec::new();
        for group in messages.chunks(64) {
            let mids = peer.keep(group);
            kept.extend(group.iter().map(|(alias, _)| alias.clone()).zip(mids));
        }
        let start = Instant::now();
        for group in kept.chunks(group) {
            peer.acknowledge(group);
        }
        start.elapsed().as_secs_f64()
    });
}

/// Each round, each does its work; prints how often a second, and by how much ours is faster.
fn measure(peers: &mut Peers, count: usize, mut work: impl FnMut(&mut dyn Peer, usize) -> f64) {
    let rounds = if is_measured() { 9 } else { 1 };
    let mut seconds = [const { Vec::new() }; 2];
    let mut written = [0, 0];
    for round in 0..rounds {
        for turn in 0..peers.len() {
            let index = (round + turn) % peers.len();
            let before = bytes_written();
            seconds[index].push(work(&mut *peers[index].1, round));
            written[index] += bytes_written() - before;
        }
    }
    println!(
        "{:<24} {:>12} {:>16} {:>26}",
        "store", "a second", "bytes written", "written / byte of payload"
    );
    for (index, (name, _)) in peers.iter().enumerate() {
        let per_second = count as f64 / median(seconds[index].iter().copied());
        let each = written[index] as f64 / (rounds * count) as f64;
        println!(
            "{name:<24} {per_second:>12.0} {each:>16.0} {:>26.1}",
            each / BODY as f64
        );
    }
    let ratios = seconds[1]
        .iter()
        .zip(&seconds[0])
        .map(|(peer, ours)| peer / ours);
    println!("\nours is {:.2}x as fast\n", median(ratios));
}

fn alias(nth: usize) -> Text {
    // In no order that a tree would like.
    format!("m_{:04}", nth * 7_919 % ALIASES).into()
}

fn message(nth: usize) -> (Text, Json) {
    let mut body = format!("{nth} ");
    body.extend(std::iter::repeat_n('b', BODY - 2 - body.len()));
    (alias(nth), Json::text(&body))
}

fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    UnixMillis(u64::try_from(millis).unwrap_or_default())
}

/// Bytes handed to the system so far; 0 where it does not count them.
fn bytes_written() -> u64 {
    let counts = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let count = counts.lines().find_map(|line| line.strip_prefix("wchar: "));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

struct Ours(Kept);

impl Ours {
    fn new(directory: &Path) -> Self {
        let folder = Folder::of(directory, "broker").expect("a folder");
        Self(Kept::open(folder, Settings::default()).expect("a store"))
    }

    fn ask(&mut self, ops: &[StoreOp]) -> impl Iterator<Item = StoreReply> + use<> {
        let answers = self.0.apply(Instant::now(), wall(), ops);
        answers.into_iter().map(|answer| answer.expect("a store"))
    }
}

impl Peer for Ours {
    fn keep(&mut self, messages: &[(Text, Json)]) -> Vec<MessageId> {
        let append = |(alias, body): &(Text, Json)| StoreOp::Append {
            alias: alias.clone(),
            body: body.clone(),
            ttl: Ttl::default(),
            only_known: false,
        };
        let ops: Vec<_> = messages.iter().map(append).collect();
        let mid = |reply| match reply {
            StoreReply::Appended(appended) => appended.mid,
            reply => panic!("{reply:?}"),
        };
        self.ask(&ops).map(mid).collect()
    }

    fn read(&mut self, aliases: &[Text]) -> usize {
        let load = |alias: &Text| StoreOp::Load {
            alias: alias.clone(),
            after: MessageId(0),
            limit: CAP.into(),
        };
        let ops: Vec<_> = aliases.iter().map(load).collect();
        let count = |reply| match reply {
            StoreReply::Loaded { entries, .. } => entries.len(),
            reply => panic!("{reply:?}"),
        };
        self.ask(&ops).map(count).sum()
    }

    fn acknowledge(&mut self, arrived: &[(Text, MessageId)]) {
        let ack = |(alias, mid): &(Text, MessageId)| StoreOp::Ack {
            alias: alias.clone(),
            mids: vec![*mid],
        };
        let ops: Vec<_> = arrived.iter().map(ack).collect();
        assert_eq!(self.ask(&ops).count(), arrived.len());
    }

    fn file_len(&self, directory: &Path) -> u64 {
        fs::metadata(directory.join("broker.redb")).map_or(0, |file| file.len())
    }
}

/// What somebody would write who has SQLite: the same tables, the same rules.
struct Sqlite(Connection);

impl Sqlite {
    fn new(directory: &Path) -> Self {
        let database = Connection::open(directory.join("broker.db")).expect("a database");
        let mode = database.pragma_update(None, "journal_mode", "WAL");
        mode.and_then(|()| database.pragma_update(None, "synchronous", "FULL"))
            .expect("settings");
        let create = "CREATE TABLE alias(alias TEXT PRIMARY KEY, last INTEGER, kept INTEGER, \
                      gap INTEGER) WITHOUT ROWID; \
                      CREATE TABLE queue(alias TEXT, mid INTEGER, expires INTEGER, body BLOB, \
                      PRIMARY KEY(alias, mid)) WITHOUT ROWID";
        database.execute_batch(create).expect("tables");
        Self(database)
    }
}

impl Peer for Sqlite {
    fn keep(&mut self, messages: &[(Text, Json)]) -> Vec<MessageId> {
        let (at, mut mids) = (wall(), Vec::new());
        let transaction = self.0.transaction().expect("a transaction");
        for (alias, body) in messages {
            let find = "SELECT last, kept FROM alias WHERE alias = ?";
            let mut find = transaction.prepare_cached(find).expect("a statement");
            let known = find.query_row([alias.as_str()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            });
            let (last, kept) = known.optional().expect("a row").unwrap_or_default();
            let mid = MessageId::next(MessageId(last.cast_unsigned()), at);
            let numbers = (mid.0.cast_signed(), at.0.cast_signed() + 259_200_000);
            let insert = "INSERT INTO queue VALUES(?, ?, ?, ?)";
            let mut insert = transaction.prepare_cached(insert).expect("a statement");
            insert
                .execute((alias.as_str(), numbers.0, numbers.1, body.as_bytes()))
                .expect("an insertion");
            let over = kept >= i64::from(CAP);
            if over {
                let evict = "DELETE FROM queue WHERE alias = ?1 AND mid = \
                             (SELECT min(mid) FROM queue WHERE alias = ?1)";
                let mut evict = transaction.prepare_cached(evict).expect("a statement");
                evict.execute([alias.as_str()]).expect("a deletion");
            }
            let update = "INSERT INTO alias VALUES(?1, ?2, 1, 0) ON CONFLICT DO UPDATE \
                          SET last = ?2, kept = kept + 1 - ?3, gap = gap + ?3";
            let mut update = transaction.prepare_cached(update).expect("a statement");
            update
                .execute((alias.as_str(), numbers.0, i64::from(over)))
                .expect("an update");
            mids.push(mid);
        }
        transaction.commit().expect("a commit");
        mids
    }

    fn read(&mut self, aliases: &[Text]) -> usize {
        let transaction = self.0.transaction().expect("a transaction");
        let mut count = 0;
        for alias in aliases {
            let select =
                "SELECT mid, expires, body FROM queue WHERE alias = ? ORDER BY mid LIMIT 100";
            let mut select = transaction.prepare_cached(select).expect("a statement");
            let rows = select.query_map([alias.as_str()], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                ))
            });
            for row in rows.expect("rows") {
                Json::parse(row.expect("a row").2).expect("a body");
                count += 1;
            }
        }
        count
    }

    fn acknowledge(&mut self, arrived: &[(Text, MessageId)]) {
        let transaction = self.0.transaction().expect("a transaction");
        for (alias, mid) in arrived {
            let delete = "DELETE FROM queue WHERE alias = ? AND mid = ?";
            let mut delete = transaction.prepare_cached(delete).expect("a statement");
            let row = (alias.as_str(), mid.0.cast_signed());
            let gone = delete.execute(row).expect("a deletion");
            let update = "UPDATE alias SET kept = kept - ? WHERE alias = ?";
            let mut update = transaction.prepare_cached(update).expect("a statement");
            update
                .execute((i64::try_from(gone).unwrap_or_default(), alias.as_str()))
                .expect("an update");
        }
        transaction.commit().expect("a commit");
    }

    fn file_len(&self, directory: &Path) -> u64 {
        let len = |name| fs::metadata(directory.join(name)).map_or(0, |file| file.len());
        len("broker.db") + len("broker.db-wal")
    }
}
