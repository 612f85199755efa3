//! Records to push, and a look at what became of them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use crate::kit::{Folder, PATIENCE, Program, example};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

pub fn record(number: u64, user: &str, jpeg: &[u8]) -> String {
    record_with(number, user, &base64(jpeg))
}

/// A record in the form of profile 1.1.
pub fn record_with(number: u64, user: &str, picture: &str) -> String {
    let time = 1_660_625_866 + number;
    format!(
        r#"{{"type":0,"data":{{"recognitionType":1,"deviceSN":"S","recognizeScore":0.875,"mask":0,"rgb_image":"{picture}","pass":true,"mode":0,"user":{{"name":"样例小明","user_id":{user},"type":1}},"timestamp":{time},"bodyTemperature":36.5}}}}"#
    )
}

pub fn jpeg(length: usize) -> Vec<u8> {
    let tail = (0..=250).cycle().step_by(31).take(length);
    [0xff, 0xd8, 0xff].into_iter().chain(tail).collect()
}

/// A picture unlike that of any other number.
pub fn unlike(number: u64, length: usize) -> Vec<u8> {
    let mut jpeg = jpeg(length);
    jpeg[3..11].copy_from_slice(&number.to_le_bytes());
    jpeg
}

pub fn base64(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    lenient_wire::push_base64(&mut text, bytes);
    String::from_utf8(text).unwrap()
}

/// What a tool sees, a line for each row.
pub fn query(folder: &Folder, sql: &str) -> Vec<String> {
    use rusqlite::types::ValueRef;
    let connection = Connection::open(folder.join("records.db")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let word = |at| match row.get_ref_unwrap(at) {
            ValueRef::Null => "null".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(text) | ValueRef::Blob(text) => {
                String::from_utf8_lossy(text).into_owned()
            }
        };
        Ok((0..columns).map(word).collect::<Vec<_>>().join("|"))
    };
    let lines = statement.query_map([], line).unwrap();
    lines.map(Result::unwrap).collect()
}

pub fn pictures(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder.join("records-pictures")).unwrap();
    let entries = entries.map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// A running `face_receiver` on a free port, with its database in a folder.
pub struct Receiver {
    pub program: Program,
    pub address: String,
}

/// A connection that speaks HTTP/1 as badly as it is told to.
pub struct Wire {
    reader: BufReader<TcpStream>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Receiver {
    /// Starts one that prints JSON, with these further arguments.
    pub fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut command = example("face_receiver");
        command
            .args(["--listen", "127.0.0.1:0", "--json"])
            .args(["--db", &folder.join("records.db")])
            .args(args);
        Self::of(command)
    }

    /// The one that this command starts.
    pub fn of(command: Command) -> Self {
        let program = Program::start(command);
        let line = program.err.line_with("listening ");
        let address = line.split("//").nth(1).unwrap();
        let address = address.split(['/', ',']).next().unwrap().to_owned();
        Self { program, address }
    }

    /// A new connection to it.
    pub fn connect(&self) -> Wire {
        Wire::to(&self.address)
    }

    /// Posts a body on a new connection.
    pub fn post(&self, body: impl AsRef<[u8]>) -> Reply {
        self.connect().post(body)
    }

    /// Ends it in order; its counters.
    pub fn stop(mut self) -> String {
        self.program.signal("TERM");
        let status = self.program.finish();
        assert!(status.success(), "{status}: {}", self.program.said());
        self.program.err.line_with("counters: ")
    }
}

impl Wire {
    pub fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            reader: BufReader::new(stream),
        }
    }

    /// Posts a body as the plainest of clients does.
    pub fn post(&mut self, body: impl AsRef<[u8]>) -> Reply {
        self.post_with("", body)
    }

    /// Posts a body with these further headers, a line each.
    pub fn post_with(&mut self, headers: &str, body: impl AsRef<[u8]>) -> Reply {
        self.try_post(headers, body.as_ref()).unwrap()
    }

    /// The same where the receiver may be killed meanwhile.
    pub fn try_post(&mut self, headers: &str, body: &[u8]) -> io::Result<Reply> {
        let length = body.len();
        let head = format!(
            "POST /Record HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n"
        );
        let stream = self.reader.get_mut();
        let sent = stream.write_all(head.as_bytes());
        let sent = sent.and_then(|()| stream.write_all(body));
        // An early answer comes before the end of the body.
        let reply = self.try_reply();
        if reply.is_err() {
            sent.and(reply)
        } else {
            reply
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
        self
    }

    pub fn reply(&mut self) -> Reply {
        self.try_reply().unwrap()
    }

    fn try_reply(&mut self) -> io::Result<Reply> {
        let head = self.head()?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let length = head.to_ascii_lowercase();
        let length = length
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        self.reader.read_exact(&mut body)?;
        Ok(Reply {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// A head up to its empty line.
    pub fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.reader.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(head)
    }

    /// What is left until the other end closes.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap();
        rest
    }
}

/// True if the answer acknowledges.
pub fn is_acknowledged(reply: &Reply) -> bool {
    reply.status == 200 && reply.body.starts_with(r#"{"code":200,"#)
}
