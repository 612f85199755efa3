//! Accounts of terminals, from where other users of the machine do not see them.

use face_record_push::Login;
use std::io;
use std::path::Path;

/// Reads an account, `user:password`, from a file of one line, else from an environment variable;
/// `None` if there is neither.
///
/// # Errors
///
/// If the file cannot be read, or what is there is no account. The text does not repeat it.
pub fn account(file: Option<&Path>, variable: &str) -> io::Result<Option<Login>> {
    let (text, place) = if let Some(file) = file {
        let place = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot read {place}: {error}"))
        })?;
        (text, place)
    } else if let Some(text) = std::env::var_os(variable) {
        (text.to_string_lossy().into_owned(), variable.to_owned())
    } else {
        return Ok(None);
    };
    let line = text.trim_end_matches(['\r', '\n']);
    let account = line.split_once(':').filter(|(user, password)| {
        !user.is_empty() && !password.is_empty() && !line.contains(['\r', '\n'])
    });
    let account = account.map(|(user, password)| Login::new(user, password));
    let wrong = || {
        let text = format!("{place} holds no account: write one line, user:password");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    account.ok_or_else(wrong).map(Some)
}
