//! What `.ci/release` does, in a repository of its own with the files of this one.

use std::fs;
use std::path::Path;
use std::process::Command;

use chat_tests::documents::root;
use serde_json::Value;
use tempfile::TempDir;

/// A repository with one commit: the files here that git knows, as they are now.
struct Repository {
    dir: TempDir,
}

impl Repository {
    fn new() -> Repository {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(
            dir.path().join("gitconfig"),
            "[user]\nname = a\nemail = a@localhost\n[safe]\ndirectory = *\n",
        )
        .expect("written");
        let repository = Repository { dir };
        fs::create_dir(repository.folder()).expect("a directory");
        let copy = format!(
            "cd '{}' && git ls-files -z | xargs -0 ls -d 2>/dev/null | tar -cT - | tar -xC '{}'",
            root().display(),
            repository.folder().display(),
        );
        repository.run("sh", &["-euc", &copy]);
        repository.git(&["init", "--quiet"]);
        repository.git(&["add", "--all"]);
        repository.git(&["commit", "--quiet", "--message", "All"]);
        repository
    }

    fn folder(&self) -> std::path::PathBuf {
        self.dir.path().join("redis-chat")
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.folder());
        // No settings of this machine, such as keys for signatures.
        command.env("GIT_CONFIG_GLOBAL", self.dir.path().join("gitconfig"));
        command
    }

    #[track_caller]
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[track_caller]
    fn git(&self, arguments: &[&str]) -> String {
        self.run("git", arguments)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder().join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Makes a release, or returns why not.
    fn release(&self, version: &str) -> Result<String, String> {
        let program = self.folder().join(".ci/release");
        let output = self.command(program).arg(version).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Asserts that there is no release, for this reason, and that nothing has changed.
    #[track_caller]
    fn refuses(&self, version: &str, reason: &str) {
        let state = || {
            ["rev-parse HEAD", "status --porcelain", "diff", "tag"]
                .map(|words| self.git(&words.split(' ').collect::<Vec<_>>()))
        };
        let before = state();
        let error = self.release(version).expect_err("no release");
        assert!(error.contains(reason), "{version}: {error}");
        assert_eq!(state(), before, "{version}");
    }
}

#[test]
fn a_release_names_its_version_everywhere() {
    let repository = Repository::new();
    let said = repository.release("7.8.9").unwrap_or_else(|error| panic!("{error}"));
    assert!(said.contains("git push origin HEAD v7.8.9"), "{said}");

    assert_eq!(repository.git(&["log", "-1", "--format=%s"]), "Release 7.8.9");
    assert_eq!(
        repository.git(&["rev-parse", "v7.8.9^{commit}"]),
        repository.git(&["rev-parse", "HEAD"])
    );
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    let old = concat!(env!("CARGO_PKG_VERSION"), "-1_");
    for document in ["README.md", "docs/install.md", "docs/comparison.md", "docs/asyncapi.yaml"] {
        let text = repository.read(document);
        assert!(text.contains("7.8.9") && !text.contains(old), "{document}");
        assert!(
            !text.contains("not released yet") && !text.contains("has not been released"),
            "{document}"
        );
    }
    let upgrades = repository.read("docs/upgrades.md");
    assert!(upgrades.contains(" | 7.8.9 | "), "the stored form has its release");
    assert!(!upgrades.contains("the next release"), "docs/upgrades.md");
    let manifest = repository.read("deploy/kubernetes/relay.yaml");
    assert!(manifest.contains("/redis-chat/relay:7.8.9 "), "{manifest}");
    let client: Value = serde_json::from_str(&repository.read("sdk/package.json")).expect("JSON");
    assert_eq!(client["version"], "7.8.9");
    // Fails if Cargo.lock does not fit.
    let crates =
        repository.run("cargo", &["metadata", "--locked", "--offline", "--format-version=1"]);
    let crates: Value = serde_json::from_str(&crates).expect("JSON");
    let own = crates["packages"].as_array().expect("packages");
    let own: Vec<_> = own.iter().filter(|of| of["source"].is_null()).collect();
    assert!(own.len() >= 5, "{own:?}");
    for package in own {
        assert_eq!(package["version"], "7.8.9", "{}", package["name"]);
    }

    let changes = repository.read("CHANGELOG.md");
    let (before, after) = changes.split_once("\n## 7.8.9 - 20").expect("its changes");
    assert!(before.trim_end().ends_with("\n## Unreleased"), "{before}");
    assert!(after.contains("\n- "), "the changes are below it");
    let of_git = repository.git(&["diff", "--stat", "HEAD^", "HEAD", "--", "CHANGELOG.md"]);
    assert!(of_git.contains("1 file changed"), "{of_git}");

    repository.refuses("7.9.0", "no change under Unreleased");
}

#[test]
fn a_release_is_refused_before_anything_changes() {
    let repository = Repository::new();
    for version in
        ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.02.3", "1.2.3-rc1", "1.2.3\n4.5.6", "$(id)"]
    {
        repository.refuses(version, "a version is three numbers");
    }
    repository.refuses("0.0.1", "is older than");
    repository.git(&["tag", "v7.8.9"]);
    repository.refuses("7.8.9", "there is a tag v7.8.9 already");
    fs::write(repository.folder().join("README.md"), "changed").expect("written");
    repository.refuses("7.9.0", "not committed");
    repository.git(&["checkout", "--quiet", "README.md"]);
    fs::write(repository.folder().join("new"), "").expect("written");
    repository.refuses("7.9.0", "not committed");
}

#[test]
fn a_release_that_fails_midway_leaves_the_files_as_they_were() {
    let repository = Repository::new();
    let client = repository.read("sdk/package.json");
    let without = client.replace(concat!("\"", env!("CARGO_PKG_VERSION"), "\""), "\"0.0.0\"");
    assert_ne!(without, client);
    fs::write(repository.folder().join("sdk/package.json"), without).expect("written");
    repository.git(&["commit", "--quiet", "--all", "--message", "Lose the version"]);
    repository.refuses("7.8.9", "sdk/package.json does not name the version");
}
