//! The source text that is checked: read from a directory, or planted by a test.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Files by their path from the top of the tree, with `/` between the parts.
#[derive(Debug, Default)]
pub struct Sources {
    files: BTreeMap<String, String>,
    /// Symbolic links: the link's path, and the path of the file or directory that it stands for.
    links: BTreeMap<String, String>,
}

impl Sources {
    /// Reads the files with one of `extensions` in `folders` below `top`. Hidden files,
    /// `node_modules` and `target` are left out; symbolic links are noted, not followed.
    ///
    /// # Errors
    /// A folder or a file cannot be read.
    pub fn read(top: &Path, folders: &[&str], extensions: &[&str]) -> io::Result<Self> {
        let mut sources = Self::default();
        for folder in folders {
            sources.read_folder(top, folder, extensions)?;
        }
        Ok(sources)
    }

    /// A tree that exists only in memory.
    #[must_use]
    pub fn planted(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self { files: files.collect(), links: BTreeMap::new() }
    }

    fn read_folder(&mut self, top: &Path, folder: &str, extensions: &[&str]) -> io::Result<()> {
        for entry in std::fs::read_dir(top.join(folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "node_modules" || name == "target" {
                continue;
            }
            let path = format!("{folder}/{name}");
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                let target = std::fs::read_link(entry.path())?;
                if let Some(target) = join(folder, &target.to_string_lossy()) {
                    self.links.insert(path, target);
                }
            } else if kind.is_dir() {
                self.read_folder(top, &path, extensions)?;
            } else if extensions.iter().any(|extension| name.ends_with(&format!(".{extension}"))) {
                self.files.insert(path, std::fs::read_to_string(entry.path())?);
            }
        }
        Ok(())
    }

    /// The text of the file at `path`.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The paths of all files in `folder` and below it.
    pub fn paths_in<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        let inside = move |path: &&str| {
            path.strip_prefix(folder).is_some_and(|rest| folder.is_empty() || rest.starts_with('/'))
        };
        self.files.keys().map(String::as_str).filter(inside)
    }

    /// `path` with a link in it replaced by the file or directory that it stands for.
    #[must_use]
    pub fn without_links(&self, path: &str) -> String {
        for (link, target) in &self.links {
            if let Some(rest) = path.strip_prefix(link.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return format!("{target}{rest}");
            }
        }
        path.to_owned()
    }
}

/// The path that `relative` means in `folder`; None if it leaves the tree.
pub(crate) fn join(folder: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The folder of the file at `path`; empty at the top.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
