//! The small file from which a restarted subscriber goes on without a hole.

use se5_events::UnixMillis;
use se5_events::platform::{Mark, Span};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A [`Mark`] in a file: a line each for the time, the box's clock, and every open gap.
///
/// ```text
/// live 1607062639701
/// ahead -120
/// open 1607062600000 1607062610000
/// ```
///
/// Losing the newest mark costs a longer question to the box after a restart. Losing the file means
/// that the events of the downtime are not fetched.
#[derive(Debug, Clone)]
pub struct MarkFile {
    path: PathBuf,
}

impl MarkFile {
    /// The file at `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The stored mark; `None` if none was stored yet.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is something else.
    pub fn load(&self) -> io::Result<Option<Mark>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => parse(&text).map(Some).ok_or_else(|| {
                let advice = "is no mark file: name another, or delete it (the events of the \
                              downtime are then not fetched)";
                let text = format!("{} {advice}", self.path.display());
                io::Error::new(io::ErrorKind::InvalidData, text)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the stored mark. When this returns, it survives a power cut.
    ///
    /// # Errors
    ///
    /// The system's; the old mark is then still there.
    pub fn store(&self, mark: &Mark) -> io::Result<()> {
        let mut text = format!("live {}\nahead {}\n", mark.live.0, mark.box_ahead);
        for span in &mark.open {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "open {} {}", span.from.0, span.to.0);
        }
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        let folder = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn parse(text: &str) -> Option<Mark> {
    let mut mark = Mark::default();
    let mut lines = text.lines();
    mark.live = UnixMillis(lines.next()?.strip_prefix("live ")?.parse().ok()?);
    mark.box_ahead = lines.next()?.strip_prefix("ahead ")?.parse().ok()?;
    for line in lines {
        let (from, to) = line.strip_prefix("open ")?.split_once(' ')?;
        mark.open.push(Span {
            from: UnixMillis(from.parse().ok()?),
            to: UnixMillis(to.parse().ok()?),
        });
    }
    Some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_stored() {
        let path = std::env::temp_dir().join(format!("se5-mark-{}", std::process::id()));
        let file = MarkFile::new(&path);
        assert_eq!(file.load().unwrap(), None);
        let span = |from, to| Span {
            from: UnixMillis(from),
            to: UnixMillis(to),
        };
        let mark = Mark {
            live: UnixMillis(1_607_062_639_701),
            open: vec![span(5, 6), span(-3, 9)],
            box_ahead: -120,
        };
        file.store(&mark).unwrap();
        assert_eq!(file.load().unwrap(), Some(mark));
        fs::write(&path, "something else").unwrap();
        assert_eq!(file.load().unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::remove_file(&path).unwrap();
    }
}
