//! A process of a scenario: its output goes to a file, and it ends on drop.
//!
//! Each process leads a process group, which is killed with it. It also ends with the test's
//! thread, even if that thread is killed without cleaning up (`setpriv --pdeathsig`, where it
//! exists).

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, prlimit,
};

use crate::wait::eventually;

const TAIL_LINES: usize = 40;

/// A running (or ended) program.
pub struct Process {
    name: String,
    child: Child,
    out: PathBuf,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with standard output and standard error appended to `<name>.out` and
    /// `<name>.log` in `dir`, which is also where it runs.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn spawn(name: &str, program: &Path, args: &[OsString], dir: &Path) -> Process {
        Process::spawn_in(name, program, args, dir, &[])
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As [`Process::spawn`], with these variables added to the environment.
    pub fn spawn_in(
        name: &str,
        program: &Path,
        args: &[OsString],
        dir: &Path,
        environment: &[(OsString, OsString)],
    ) -> Process {
        let out = dir.join(format!("{name}.out"));
        let log = dir.join(format!("{name}.log"));
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.expect("a file in the scenario's own directory")
        };
        let mut command = match setpriv() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        let child = command
            .args(args)
            .envs(environment.iter().cloned())
            .current_dir(dir)
            .stdin(std::process::Stdio::null())
            .stdout(open(&out))
            .stderr(open(&log))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        Process { name: name.into(), child, out, log }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends SIGSTOP: its sockets stay open, nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues it after [`Process::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// From now on it cannot open a file whose descriptor would be `files` or more.
    pub fn limit_files(&self, files: u64) {
        // It inherited its hard limit from us.
        let limit = Rlimit { current: Some(files), ..getrlimit(Resource::Nofile) };
        prlimit(Some(self.pid()), Resource::Nofile, limit).expect("the process is ours");
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is ours");
    }

    /// Kills it and all its children (SIGKILL) and waits for the end.
    pub fn kill(&mut self) {
        // An error means that the group has already ended.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }

    /// Bytes of memory the process has in use (VmRSS of proc(5)).
    #[track_caller]
    pub fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("a process that runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.and_then(|kib| kib.parse::<usize>().ok()).expect("its memory") * 1024
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process is ours")
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        eventually(&what, deadline, || self.ended().ok_or_else(|| "it runs".into()))
    }

    /// Everything that it has written to standard output.
    pub fn output(&self) -> String {
        read(&self.out)
    }

    /// Everything that it has written to standard error.
    pub fn errors(&self) -> String {
        read(&self.log)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn tail(&self) -> String {
        let mut tail = String::new();
        for (stream, text) in [("output", self.output()), ("errors", self.errors())] {
            let lines: Vec<&str> = text.lines().collect();
            let skipped = lines.len().saturating_sub(TAIL_LINES);
            tail.push_str(&format!("--- {} {stream}, after {skipped} lines\n", self.name));
            for line in &lines[skipped..] {
                tail.push_str(line);
                tail.push('\n');
            }
        }
        tail
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.tail());
        }
        self.kill();
    }
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn setpriv() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let probe = Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).output();
        probe.is_ok_and(|output| output.status.success())
    })
}
