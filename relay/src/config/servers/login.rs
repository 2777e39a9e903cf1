//! Users and passwords of Redis and of its sentinels. No `Debug` form and no message shows a
//! password.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Bytes of a file with a password.
const FILE_MAX: u64 = 4096;

/// Bytes that nobody may see.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<Zeroizing<Vec<u8>>>);

/// Where a password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Password {
    /// There is none.
    None,
    /// In the settings.
    Text(Secret),
    /// In this file.
    File(String),
}

/// As whom to log in. Without a user and without a password there is no login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    /// `None`: the user `default`.
    pub(super) user: Option<String>,
    pub(super) password: Password,
}

impl Secret {
    pub(super) fn new(bytes: Vec<u8>) -> Secret {
        Secret(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes themselves.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Login {
    /// The user and the password to log in with now; a file is read. `None`: there is no login. The
    /// error names the file, and holds nothing of what is in it.
    pub(crate) fn read(&self) -> Result<Option<(&str, Secret)>, String> {
        let password = match &self.password {
            Password::None if self.user.is_none() => return Ok(None),
            // A user of Redis with `nopass` logs in with any password.
            Password::None => Secret::new(Vec::new()),
            Password::Text(secret) => secret.clone(),
            Password::File(path) => read(path).map_err(|why| format!("{path}: {why}"))?,
        };
        Ok(Some((self.user.as_deref().unwrap_or("default"), password)))
    }

    /// The file with the password, if it is in one.
    pub(crate) fn file(&self) -> Option<&str> {
        match &self.password {
            Password::File(path) => Some(path),
            Password::None | Password::Text(_) => None,
        }
    }
}

/// The password in a file: all of it, without one line break at its end.
fn read(path: &str) -> Result<Secret, String> {
    // Room for all of it, so that no copy stays behind in memory.
    let mut contents = Zeroizing::new(Vec::with_capacity(FILE_MAX as usize + 2));
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_MAX + 1).read_to_end(&mut contents).map_err(|error| error.to_string())?;
    if contents.len() as u64 > FILE_MAX {
        return Err("more than 4096 bytes".to_owned());
    }
    let password = contents.strip_suffix(b"\n").unwrap_or(&contents);
    let password = password.strip_suffix(b"\r").unwrap_or(password);
    match password {
        [] => Err("no password in it".to_owned()),
        password => Ok(Secret::new(password.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_password_without_its_last_line_break() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("password");
        let rows: &[(&[u8], Option<&[u8]>)] = &[
            (b"secret", Some(b"secret")),
            (b"secret\n", Some(b"secret")),
            (b"secret\r\n", Some(b"secret")),
            (b"secret\n\n", Some(b"secret\n")),
            (b" s\0\xff ", Some(b" s\0\xff ")),
            (b"", None),
            (b"\n", None),
            (b"\r\n", None),
            (&[b'x'; 4097], None),
        ];
        let path_text = path.to_str().expect("UTF-8").to_owned();
        let login = Login { user: None, password: Password::File(path_text.clone()) };
        for (contents, expected) in rows {
            std::fs::write(&path, contents).expect("written");
            let read = login.read();
            let found = read.as_ref().ok().and_then(Option::as_ref);
            let bytes = found.map(|(user, secret)| (*user, secret.bytes()));
            assert_eq!(bytes, expected.map(|bytes| ("default", bytes)), "{contents:?}");
            if let Err(why) = read {
                let about = why.strip_prefix(&path_text).expect("the path first");
                assert!(!about.contains("xx"), "{why}");
            }
        }
        let login = Login { user: None, password: Password::File("/nowhere/x".into()) };
        assert!(login.read().expect_err("no file").starts_with("/nowhere/x: "));
    }

    #[test]
    fn a_user_alone_logs_in_without_a_password() {
        let login = Login { user: None, password: Password::None };
        assert_eq!(login.read(), Ok(None));
        let login = Login { user: Some("relay".into()), password: Password::None };
        assert_eq!(login.read(), Ok(Some(("relay", Secret::new(Vec::new())))));
    }
}
