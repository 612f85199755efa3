//! Lines out of a stream of bytes, beside tokio's codecs and beside the search for line feeds.

use benches::Group;
use bytes::BytesMut;
use memchr::memchr_iter;
use std::hint::black_box;
use tokio_util::codec::{AnyDelimiterCodec, Decoder, LinesCodec};
use zzw_push_proto::line::{LineCodec, LineSplitter};

const STREAM: usize = 1 << 20;

/// A stream of these lines, taking turns.
pub(crate) fn mixed(lines: &[&str]) {
    let (mut stream, mut count) = (Vec::with_capacity(STREAM), 0);
    for line in lines.iter().cycle() {
        if stream.len() + line.len() >= STREAM {
            break;
        }
        stream.extend_from_slice(line.as_bytes());
        stream.push(b'\n');
        count += 1;
    }
    for chunk in [64 << 10, 1460] {
        let name = format!("zzw: lines, read in chunks of {chunk} bytes");
        cases(Group::new(name), &stream, chunk)
            .bytes(stream.len())
            .items(count)
            .case("memchr_iter", || {
                let chunks = black_box(&stream).chunks(chunk);
                let ends = chunks.map(|chunk| memchr_iter(b'\n', chunk).map(black_box).count());
                ends.sum::<usize>()
            })
            .goal("ours, lent", "LinesCodec", 4.0)
            .goal("ours, lent", "AnyDelimiterCodec", 7.0)
            .goal("ours, lent", "memchr_iter", 0.7)
            .against("ours, kept", "LinesCodec")
            .against("ours, kept", "AnyDelimiterCodec")
            .run();
    }
}

/// One long line: the cost of a byte must not grow with it.
pub(crate) fn growth() {
    for chunk in [64 << 10, 1460, 64] {
        for len in [64 << 10, 512 << 10, 4 << 20] {
            let mut stream = vec![b'x'; len];
            stream.push(b'\n');
            let name = format!(
                "zzw: one line of {} KiB, chunks of {chunk} bytes",
                len >> 10
            );
            let group = cases(Group::new(name), &stream, chunk);
            group.bytes(stream.len()).items(stream.len()).run();
        }
    }
}

fn cases<'a>(group: Group<'a>, stream: &'a [u8], chunk: usize) -> Group<'a> {
    let max = 8 << 20;
    let mut splitter = LineSplitter::new(max);
    let mut codec = LineCodec::new(max);
    let mut received = BytesMut::new();
    group
        .case("ours, lent", move || {
            let mut count = 0;
            for chunk in stream.chunks(chunk) {
                let mut lines = splitter.split(chunk);
                while let Some(line) = lines.next_line() {
                    count += usize::from(black_box(line).is_ok());
                }
            }
            count
        })
        .case("ours, kept", move || {
            let mut count = 0;
            for chunk in stream.chunks(chunk) {
                received.extend_from_slice(chunk);
                while let Some(line) = codec.decode(&mut received) {
                    count += usize::from(black_box(line).is_ok());
                }
            }
            count
        })
        .case(
            "LinesCodec",
            tokio(stream, chunk, move || LinesCodec::new_with_max_length(max)),
        )
        .case(
            "AnyDelimiterCodec",
            tokio(stream, chunk, move || {
                AnyDelimiterCodec::new_with_max_length(b"\n".into(), b"\n".into(), max)
            }),
        )
}

fn tokio<'a, C: Decoder + 'a>(
    stream: &'a [u8],
    chunk: usize,
    codec: impl Fn() -> C + 'a,
) -> impl FnMut() -> usize + 'a {
    let mut codec = codec();
    let mut received = BytesMut::new();
    move || {
        let mut count = 0;
        for chunk in stream.chunks(chunk) {
            received.extend_from_slice(chunk);
            while let Ok(Some(line)) = codec.decode(&mut received) {
                black_box(&line);
                count += 1;
            }
        }
        count
    }
}
