//! The examples, and how their bots are run.
//!
//! `.ci/setup test` fetches their clients and finds their tools (`target/tools/languages`). What has
//! to be compiled is compiled here, once per run and without a network.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use chat_tests::documents::root;
use chat_tests::process::Process;
use chat_tests::wait::{LATER, eventually};
use tempfile::TempDir;

/// The folder of the examples.
pub(super) const FOLDER: &str = "examples/languages";

/// A folder of [`FOLDER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Example {
    Python,
    NodeIoredis,
    NodeRedis,
    GoRueidis,
    GoRedis,
    Java,
}

use Example::{GoRedis, GoRueidis, Java, NodeIoredis, NodeRedis, Python};

/// A program with its arguments and variables.
struct Line {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
}

/// A bot that runs, in a directory of its own.
pub(super) struct Bot {
    pub(super) process: Process,
    _dir: TempDir,
}

impl Bot {
    /// Ends it by SIGTERM.
    #[track_caller]
    pub(super) fn ends(mut self) {
        self.process.terminate();
        let status = self.process.wait(LATER);
        assert_eq!(status.code(), Some(0), "{status}: {}", self.process.errors());
    }
}

impl Example {
    /// All examples.
    pub(super) const ALL: [Example; 6] = [Python, NodeIoredis, NodeRedis, GoRueidis, GoRedis, Java];

    /// The name of its folder.
    pub(super) fn name(self) -> &'static str {
        match self {
            Python => "python",
            NodeIoredis => "node-ioredis",
            NodeRedis => "node-redis",
            GoRueidis => "go-rueidis",
            GoRedis => "go-redis",
            Java => "java",
        }
    }

    /// The file that an application takes over.
    pub(super) fn helper(self) -> &'static str {
        match self {
            Python => "chat.py",
            NodeIoredis | NodeRedis => "chat.js",
            GoRueidis | GoRedis => "chat.go",
            Java => "Chat.java",
        }
    }

    /// Where its files are.
    pub(super) fn folder(self) -> PathBuf {
        root().join(FOLDER).join(self.name())
    }

    /// Where its client is.
    fn client(self) -> PathBuf {
        tools().join(self.name())
    }

    /// Whether its bot can be run; if not, says what is missing. Where `CI` is set, nothing may be.
    pub(super) fn is_there(self) -> bool {
        let tool = match self {
            Python => "python3".into(),
            NodeIoredis | NodeRedis => tools().join("bin/node"),
            GoRueidis | GoRedis => tools().join("bin/go"),
            Java => "javac".into(),
        };
        let argument = if tool.ends_with("go") { "version" } else { "--version" };
        let runs = Command::new(&tool).arg(argument).output();
        let has_tool = runs.is_ok_and(|output| output.status.success());
        let what = match has_tool && self.client().join(".lock").is_file() {
            true => return true,
            false if has_tool => "its client",
            false => tool.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
        };
        let told = format!("{FOLDER}/{}: {what} is missing: run .ci/setup test", self.name());
        assert!(std::env::var_os("CI").is_none(), "{told}");
        println!("skipped: {told}");
        false
    }

    /// Starts its bot with these arguments, and waits until it is ready.
    #[track_caller]
    pub(super) fn start(self, words: &[&str]) -> Bot {
        self.start_with(words, &[])
    }

    /// As [`Example::start`], with these variables.
    #[track_caller]
    pub(super) fn start_with(self, words: &[&str], more: &[(&str, &str)]) -> Bot {
        let dir = tempfile::tempdir().expect("a directory");
        let mut line = self.line(dir.path());
        line.arguments.extend(words.iter().map(|word| (*word).into()));
        line.variables.extend(more.iter().map(|(name, value)| (name.into(), value.into())));
        let Line { program, arguments, variables } = line;
        let process = Process::spawn_in(self.name(), &program, &arguments, dir.path(), &variables);
        let bot = Bot { process, _dir: dir };
        eventually("the bot", LATER, || match bot.process.output() {
            output if output.starts_with("ready\n") => Ok(()),
            output => Err(output + &bot.process.errors()),
        });
        bot
    }

    fn line(self, dir: &Path) -> Line {
        let line = |program: PathBuf, arguments: Vec<OsString>| Line {
            program,
            arguments,
            variables: Vec::new(),
        };
        match self {
            Python => {
                // Without -B, Python writes into the folder of the bot.
                let path = self.folder().join("bot.py").into_os_string();
                let variables = vec![("PYTHONPATH".into(), self.client().into_os_string())];
                Line { variables, ..line("python3".into(), vec!["-B".into(), path]) }
            }
            NodeIoredis | NodeRedis => {
                // Node looks for packages beside the program.
                for file in ["bot.js", "chat.js", "package.json"] {
                    std::fs::copy(self.folder().join(file), dir.join(file)).expect("a copy");
                }
                symlink(self.client().join("node_modules"), dir.join("node_modules"))
                    .expect("a link");
                line(tools().join("bin/node"), vec!["bot.js".into()])
            }
            GoRueidis | GoRedis => line(self.compiled(), Vec::new()),
            Java => {
                let mut path = self.client().join("*").into_os_string();
                path.push(":");
                path.push(self.compiled());
                let quick = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"];
                let mut arguments: Vec<OsString> = quick.map(OsString::from).into();
                arguments.extend([path, "Bot".into()]);
                line("java".into(), arguments)
            }
        }
    }

    /// What its compiler makes of it: a program, or a folder of classes.
    #[track_caller]
    fn compiled(self) -> PathBuf {
        static DONE: Mutex<Vec<Example>> = Mutex::new(Vec::new());
        let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages").join(self.name());
        if !done.contains(&self) {
            let mut command = self.compiler(&made);
            let output = command.current_dir(self.folder()).output().expect("a compiler");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{self:?}: {errors}");
            done.push(self);
        }
        made
    }

    fn compiler(self, made: &Path) -> Command {
        if self == Java {
            let mut javac = Command::new("javac");
            javac.arg("-cp").arg(self.client().join("*")).arg("-d").arg(made);
            javac.args(["Bot.java", "Chat.java"]);
            return javac;
        }
        let mut go = Command::new(tools().join("bin/go"));
        go.args(["build", "-buildvcs=false", "-modcacherw", "-o"]).arg(made).arg(".");
        go.env("GOMODCACHE", tools().join("go-modules")).env("GOPROXY", "off");
        go
    }
}

/// What `.ci/setup test` has fetched and found.
fn tools() -> PathBuf {
    root().join("target/tools/languages")
}
