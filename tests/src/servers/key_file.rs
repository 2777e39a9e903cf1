//! A file of API keys.

use std::path::PathBuf;

use tempfile::TempDir;

/// The file. Removed on drop.
pub struct KeyFile {
    _dir: TempDir,
    path: PathBuf,
}

impl KeyFile {
    /// A file with these lines.
    pub fn with(lines: &str) -> KeyFile {
        let dir = tempfile::Builder::new().prefix("chat-keys-").tempdir().expect("a directory");
        let file = KeyFile { path: dir.path().join("keys"), _dir: dir };
        file.write(lines);
        file
    }

    /// Replaces its lines.
    pub fn write(&self, lines: &str) {
        std::fs::write(&self.path, lines).expect("a file");
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }
}
