//! Something that says of itself whatever a test wants, as Redis would.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

/// A server that says this in INFO, and whose clock is ahead by so many seconds; returns its address.
pub(crate) fn server(info: &str, ahead: i64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let info = info.replace('\n', "\r\n");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let info = info.clone();
            std::thread::spawn(move || serve(stream.unwrap(), &info, ahead));
        }
    });
    url
}

fn serve(mut stream: TcpStream, info: &str, ahead: i64) -> Option<()> {
    let mut said = BufReader::new(stream.try_clone().ok()?);
    loop {
        let words = read(&mut said)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = match words.as_slice() {
            ["INFO", ..] => bulk(info),
            ["CLUSTER", "INFO"] => bulk("cluster_known_nodes:6\r\n"),
            ["SCRIPT", ..] => bulk("0123456789"),
            ["TIME"] => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                let seconds = now.as_secs().saturating_add_signed(ahead).to_string();
                format!("*2\r\n{}{}", bulk(&seconds), bulk("0"))
            }
            _ => "+OK\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).ok()?;
    }
}

fn read(said: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let count = number(said, '*')?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let mut word = vec![0; number(said, '$')? + 2];
        said.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8_lossy(&word).to_uppercase());
    }
    Some(words)
}

fn number(said: &mut BufReader<TcpStream>, kind: char) -> Option<usize> {
    let mut line = String::new();
    said.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}
