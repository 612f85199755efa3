//! The program around a room.
#![allow(clippy::doc_markdown, reason = "the docs are the help text")]

use super::{End, Room, RoomAddress};
use crate::cli::told_to_end;
use crate::faces::{Cast, Dice, PictureSize, View};
use crate::zzw::device::line::Stream;
use crate::zzw::device::print;
use bytes::Bytes;
use lenient_wire::ObjectWriter;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use zzw_push_proto::rooms::{DeviceKind, PathError, Role, RoomFrame, RoomPath};
use zzw_push_proto::wire::{Text, Token};

/// What to do in a room.
#[derive(Debug, clap::Subcommand)]
pub enum RelayCommand {
    /// Show pictures to whoever looks, as a door or wall station does
    Send(SendArgs),
    /// Look at the pictures of a door or wall station
    Show(ShowArgs),
    /// Talk to somebody: lines of standard input are sent as text, what comes is printed
    Call(CallArgs),
}

/// Where to go.
#[derive(Debug, clap::Args)]
pub struct PlaceArgs {
    /// The relay, ws://HOST:9000
    #[arg(value_name = "URL")]
    relay: String,
    /// The room; of pictures capture-COMMUNITY-BUILDING-UNIT
    #[arg(long, value_name = "ROOM")]
    room: String,
    /// Who comes, where the relay asks for a token
    #[arg(long, value_name = "ALIAS", requires = "token")]
    alias: Option<Text>,
    /// The token of --alias
    #[arg(long, value_name = "TOKEN", requires = "alias", value_parser = token)]
    token: Option<Token>,
}

/// How to come in again.
#[derive(Debug, clap::Args)]
pub struct AgainArgs {
    /// Longest pause before coming in again, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = positive)]
    backoff: f64,
}

/// Pictures for a room.
#[derive(Debug, clap::Args)]
pub struct SendArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    again: AgainArgs,
    /// Pictures a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 2.0, value_parser = positive)]
    rate: f64,
    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The picture, read anew each time [default: drawn ones]
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// A look into a room.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    again: AgainArgs,
    /// Save the pictures in this folder, 000001.jpg and so on
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// A call.
#[derive(Debug, clap::Args)]
pub struct CallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Which side
    #[arg(long, value_enum)]
    role: Side,
    /// What it is: android, ios
    #[arg(long, default_value = "android")]
    device: String,
    /// Leave at the end of standard input, not when the room is over
    #[arg(long)]
    hang_up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Side {
    Caller,
    Callee,
}

/// How somebody stays in a room, again and again.
struct Stay {
    address: RoomAddress,
    pause: Duration,
    longest: Duration,
    dice: Dice,
}

/// Where pictures come from.
enum Camera {
    File(PathBuf),
    Drawn { cast: Box<Cast>, nth: usize },
}

enum Doing {
    Send { camera: Camera, ticks: Interval },
    Show { out: Option<PathBuf> },
}

/// What somebody does, and how often yet.
struct Work {
    doing: Doing,
    count: u64,
    done: u64,
}

/// Invented people before the camera.
const CAST: usize = 12;

/// The first pause; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Does what the arguments say.
///
/// # Errors
///
/// Why it could not be done, or that nobody reads any more.
pub async fn run(command: RelayCommand) -> io::Result<()> {
    match command {
        RelayCommand::Send(args) => {
            let path = capture(&args.place.room, Role::Zero)?;
            let stay = Stay::new(args.place.address(path)?, &args.again);
            let camera = match args.picture {
                Some(file) => Camera::File(file),
                None => Camera::Drawn {
                    cast: Box::new(Cast::new(7, PictureSize::Large)),
                    nth: 0,
                },
            };
            let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / args.rate));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let doing = Doing::Send { camera, ticks };
            stay.run(Work::new(doing, args.count)).await
        }
        RelayCommand::Show(args) => {
            let path = capture(&args.place.room, Role::One)?;
            let stay = Stay::new(args.place.address(path)?, &args.again);
            if let Some(folder) = &args.out {
                std::fs::create_dir_all(folder).map_err(|error| named(folder, &error))?;
            }
            let doing = Doing::Show { out: args.out };
            stay.run(Work::new(doing, args.count)).await
        }
        RelayCommand::Call(args) => call(args).await,
    }
}

impl Stay {
    fn new(address: RoomAddress, again: &AgainArgs) -> Self {
        Self {
            address,
            pause: FIRST_PAUSE,
            longest: Duration::from_secs_f64(again.backoff),
            dice: Dice(crate::cli::now().0 ^ u64::from(std::process::id())),
        }
    }

    /// Comes in again whenever it is out, until it is done or told to end.
    async fn run(mut self, mut work: Work) -> io::Result<()> {
        let mut ended = pin!(told_to_end());
        loop {
            let entered = tokio::select! {
                entered = Room::enter(&self.address) => entered,
                () = &mut ended => return Ok(()),
            };
            let end = match entered {
                Ok(room) => {
                    say_entered()?;
                    self.pause = FIRST_PAUSE;
                    match work.inside(room, ended.as_mut()).await? {
                        Some(end) => end,
                        None => return Ok(()),
                    }
                }
                Err(end) => end,
            };
            if end.is_final {
                return Err(io::Error::other(end));
            }
            say(Stream::Err, |line| {
                line.text("event", "out").text("why", &end.why);
            })?;
            let pause = self.next_pause();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut ended => return Ok(()),
            }
        }
    }

    /// Between half and all of a time that doubles, so that not everybody comes at once.
    fn next_pause(&mut self) -> Duration {
        let pause = self.pause.min(self.longest);
        self.pause = pause.saturating_mul(2);
        pause.mul_f64(0.5 + self.dice.fraction() / 2.0)
    }
}

impl Work {
    fn new(doing: Doing, count: Option<u64>) -> Self {
        Self {
            doing,
            count: count.unwrap_or(u64::MAX),
            done: 0,
        }
    }

    /// Does its thing; nothing if it is done, or told to end.
    async fn inside(
        &mut self,
        mut room: Room,
        mut ended: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<Option<End>> {
        loop {
            let frame = tokio::select! {
                frame = room.next() => match frame {
                    Ok(frame) => frame,
                    Err(end) => return Ok(Some(end)),
                },
                () = self.tick() => {
                    if let Err(end) = self.send(&mut room).await? {
                        return Ok(Some(end));
                    }
                    if self.is_done() {
                        break;
                    }
                    continue;
                }
                () = ended.as_mut() => break,
            };
            self.take(frame)?;
            if self.is_done() {
                break;
            }
        }
        room.leave().await;
        Ok(None)
    }

    async fn tick(&mut self) {
        match &mut self.doing {
            Doing::Send { ticks, .. } => drop::<Instant>(ticks.tick().await),
            Doing::Show { .. } => std::future::pending().await,
        }
    }

    async fn send(&mut self, room: &mut Room) -> io::Result<Result<(), End>> {
        let Doing::Send { camera, .. } = &mut self.doing else {
            return Ok(Ok(()));
        };
        let picture = camera.shoot().await?;
        let bytes = picture.len();
        if let Err(end) = room.send(RoomFrame::Binary(picture)).await {
            return Ok(Err(end));
        }
        self.done += 1;
        say(Stream::Out, |line| {
            line.text("event", "sent").display("bytes", bytes);
        })?;
        Ok(Ok(()))
    }

    fn take(&mut self, frame: RoomFrame) -> io::Result<()> {
        match (frame, &self.doing) {
            (RoomFrame::Binary(picture), Doing::Show { out }) => {
                self.done += 1;
                let save = |out: &PathBuf| save(out, self.done, &picture);
                let file = out.as_ref().map(save).transpose()?;
                say(Stream::Out, |line| {
                    line.text("event", "picture")
                        .display("bytes", picture.len());
                    if let Some(file) = &file {
                        line.text("file", file);
                    }
                })
            }
            (frame, _) => say_frame(&frame),
        }
    }

    fn is_done(&self) -> bool {
        self.done >= self.count
    }
}

impl Camera {
    async fn shoot(&mut self) -> io::Result<Bytes> {
        match self {
            Self::File(file) => {
                let read = tokio::fs::read(&*file).await;
                read.map(Bytes::from).map_err(|error| named(file, &error))
            }
            Self::Drawn { cast, nth } => {
                *nth += 1;
                let character = cast.character(*nth % CAST);
                let picture = cast.picture(&character, View::Face);
                // This cast has pictures of everyone.
                Ok(picture.unwrap_or_default())
            }
        }
    }
}

impl PlaceArgs {
    fn address(&self, path: RoomPath) -> io::Result<RoomAddress> {
        let mut address = RoomAddress::new(&self.relay, path)?;
        address.pass = self.alias.clone().zip(self.token.clone());
        Ok(address)
    }
}

/// Talks until the room is over, or with `--hang-up` until the input is.
async fn call(args: CallArgs) -> io::Result<()> {
    let role = match args.role {
        Side::Caller => Role::Zero,
        Side::Callee => Role::One,
    };
    let path = RoomPath::call(&*args.place.room, role, DeviceKind::from(&*args.device));
    let address = args.place.address(path.map_err(invalid)?)?;
    let mut ended = pin!(told_to_end());
    let mut room = Room::enter(&address).await.map_err(io::Error::other)?;
    say_entered()?;
    let (mut lines, mut is_over) = (print::input(), false);
    loop {
        tokio::select! {
            frame = room.next() => match frame {
                Ok(frame) => say_frame(&frame)?,
                Err(end) if end.is_final => return Err(io::Error::other(end)),
                Err(end) => {
                    return say(Stream::Err, |line| {
                        line.text("event", "out").text("why", &end.why);
                    });
                }
            },
            line = next_line(&mut lines), if !is_over => match line? {
                Some(line) => {
                    let text = RoomFrame::Text(line.into());
                    room.send(text).await.map_err(io::Error::other)?;
                }
                None if args.hang_up => break,
                None => is_over = true,
            },
            () = &mut ended => break,
        }
    }
    room.leave().await;
    Ok(())
}

async fn next_line(lines: &mut mpsc::Receiver<io::Result<String>>) -> io::Result<Option<String>> {
    lines.recv().await.transpose()
}

/// Writes a picture, named by its number and by what it is.
fn save(folder: &Path, nth: u64, picture: &[u8]) -> io::Result<String> {
    let kind = match picture {
        [0xff, 0xd8, 0xff, ..] => "jpg",
        [0x89, b'P', b'N', b'G', ..] => "png",
        _ => "bin",
    };
    let file = folder.join(format!("{nth:06}.{kind}"));
    std::fs::write(&file, picture).map_err(|error| named(&file, &error))?;
    Ok(file.display().to_string())
}

fn say_frame(frame: &RoomFrame) -> io::Result<()> {
    say(Stream::Out, |line| match frame {
        RoomFrame::Text(text) => {
            line.text("event", "text")
                .text("text", &String::from_utf8_lossy(text));
        }
        RoomFrame::Binary(bytes) => {
            line.text("event", "binary").display("bytes", bytes.len());
        }
    })
}

fn say_entered() -> io::Result<()> {
    say(Stream::Err, |line| {
        line.text("event", "entered");
    })
}

fn say(stream: Stream, fill: impl FnOnce(&mut ObjectWriter<'_>)) -> io::Result<()> {
    let mut out = Vec::new();
    let mut line = ObjectWriter::new(&mut out);
    fill(&mut line);
    line.end();
    out.push(b'\n');
    print::write(stream, &out)
}

/// `capture-COMMUNITY-BUILDING-UNIT`, on one of its sides.
fn capture(room: &str, role: Role) -> io::Result<RoomPath> {
    let parts: Vec<&str> = room.split('-').collect();
    if let ["capture", community, building, unit] = &*parts {
        return RoomPath::capture(community, building, unit, role).map_err(invalid);
    }
    let text = format!("{room}: write capture-COMMUNITY-BUILDING-UNIT");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn invalid(error: PathError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a value parser")]
fn token(text: &str) -> Result<Token, String> {
    Ok(Token::new(text))
}

fn positive(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let fits = |number: &f64| (0.001..=1_000.0).contains(number);
    number.filter(fits).ok_or("a number from 0.001 to 1000")
}
