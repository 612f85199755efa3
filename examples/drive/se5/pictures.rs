//! Pictures of events as files, only where someone asked for them.

use super::line::hex;
use crate::http::Client;
use se5_events::{Answer, Ask, Dialect, FaceEvent, Limits, Picture, codec};
use std::io;
use std::path::PathBuf;

/// Writes the pictures of events into a folder, `DEVICE-TIME-KEY-WHAT.jpg`.
#[derive(Debug)]
pub struct Album {
    folder: PathBuf,
    http: String,
    client: Client,
    jpeg: Vec<u8>,
}

/// What became of an event's pictures.
#[derive(Debug, Default)]
pub struct Saved {
    /// Names of the files that were written.
    pub files: Vec<String>,
    /// Pictures that could not be had, and why.
    pub failed: Vec<String>,
}

impl Album {
    /// An album in `folder`, which is made if it is not there. Recorded pictures are fetched from
    /// the box at `http`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub fn new(folder: impl Into<PathBuf>, http: impl Into<String>) -> io::Result<Self> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            http: http.into(),
            client: Client::default(),
            jpeg: Vec::new(),
        })
    }

    /// Saves what pictures `event` has, in the message or at the box.
    pub async fn save(&mut self, event: &FaceEvent) -> Saved {
        let mut saved = Saved::default();
        let pictures = [
            ("face", event.face_picture()),
            ("registered", event.registered_picture()),
            ("scene", event.scene_picture()),
        ];
        let (device, time) = (event.device_id().unwrap_or_default(), event.timestamp());
        let time = time.map_or(0, |time| time.unix.0);
        let stem = format!("{}-{time}-{}", tame(&device), &hex(&event.key())[..8]);
        for (what, picture) in pictures {
            match self.load(picture, event.dialect()).await {
                Ok(false) => {}
                Ok(true) => {
                    let name = format!("{stem}-{what}.jpg");
                    match std::fs::write(self.folder.join(&name), &self.jpeg) {
                        Ok(()) => saved.files.push(name),
                        Err(error) => saved.failed.push(format!("{name}: {error}")),
                    }
                }
                Err(why) => saved.failed.push(format!("{stem}-{what}: {why}")),
            }
        }
        saved
    }

    /// Fills the buffer; false if there is no picture.
    async fn load(&mut self, picture: Picture, dialect: Dialect) -> Result<bool, String> {
        match picture {
            Picture::Inline(image) => {
                let most = Limits::default().max_message / 2;
                let decoded = image.jpeg_into(&mut self.jpeg, most);
                decoded.map_err(|error| error.to_string())?;
            }
            Picture::Remote(place) => {
                let ask = Ask::Picture(place);
                let request = codec::encode_ask(&ask, dialect);
                let url = format!("{}{}", self.http, request.target);
                let answer = self
                    .client
                    .exchange(request.method, &url, request.body)
                    .await;
                let (status, body) = answer.map_err(|_| "the box did not answer".to_owned())?;
                match codec::decode_answer(&ask, status, body, &Limits::default()) {
                    Answer::Picture(jpeg) => {
                        self.jpeg.clear();
                        self.jpeg.extend_from_slice(&jpeg);
                    }
                    Answer::Failed(error) => return Err(error.to_string()),
                    _ => return Err("the box answered something else".to_owned()),
                }
            }
            _ => return Ok(false),
        }
        if self.jpeg.starts_with(&[0xff, 0xd8]) {
            Ok(true)
        } else {
            Err("is no jpeg".to_owned())
        }
    }
}

/// A device's id as part of a file name: whatever it says, it stays in the folder.
fn tame(id: &str) -> String {
    let harmless = |c: char| {
        if c.is_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    id.chars().take(64).map(harmless).collect()
}
