//! Servers of another build: another module, another server program.

use std::path::Path;
use std::process::ExitStatus;

use crate::servers::artefacts;
use crate::servers::clock::Clock;
use crate::servers::redis::Redis;
use crate::wait::LATER;

impl Redis {
    /// As [`Redis::with`], with the module of another build.
    pub fn with_module(module: &Path, settings: &[&str]) -> Redis {
        let mut redis = Redis::prepare(settings, "");
        redis.module = Some(module.to_owned());
        redis.launch();
        redis
    }

    /// As [`Redis::with_module`], with a wall clock that can be set.
    pub fn with_module_and_clock(module: &Path, settings: &[&str], clock: &Clock) -> Redis {
        let mut redis = Redis::prepare(settings, "");
        redis.module = Some(module.to_owned());
        redis.environment = clock.environment();
        redis.launch();
        redis
    }

    /// As [`Redis::replica`], with the module of another build.
    pub fn replica_with_module(primary: &Redis, module: &Path, settings: &[&str]) -> Redis {
        let of = format!("replicaof {} {}", primary.address().ip(), primary.address().port());
        let replica = Redis::with_module(module, &[&[of.as_str()], settings].concat());
        replica.catch_up(primary);
        replica
    }

    /// The next [`Redis::restart`] loads this module.
    pub fn use_module(&mut self, module: &Path) {
        self.module = Some(module.to_owned());
    }

    /// Starts it again, and waits until it has ended because it cannot load its files. Returns what
    /// it wrote to its log.
    #[track_caller]
    pub fn restart_refused(&mut self) -> String {
        self.try_restart().expect_err("a server that does not load its files")
    }

    /// Starts it again. Error: it has ended because it cannot load its files; what it wrote to its
    /// log.
    #[track_caller]
    pub fn try_restart(&mut self) -> Result<(), String> {
        loop {
            self.begin();
            if self.answers() {
                return Ok(());
            }
            let (_, log) = self.wait_ended();
            // Another program has taken the port meanwhile.
            if !log.contains("Address already in use") {
                return Err(log);
            }
            self.take_other_ports();
        }
    }

    /// Stops it, unless it has ended by itself.
    #[track_caller]
    pub fn end(&mut self) {
        match self.process.as_mut().expect("it was started").ended() {
            Some(_) => self.process = None,
            None => self.stop(),
        }
    }

    /// Waits until it has ended by itself. Returns its exit status and what it wrote to its log.
    #[track_caller]
    pub fn wait_ended(&mut self) -> (ExitStatus, String) {
        let mut process = self.process.take().expect("it runs");
        let status = process.wait(LATER);
        (status, process.output())
    }

    /// The installed server, if there is one, whatever `REDIS_SERVER` names.
    pub fn installed(settings: &[&str]) -> Redis {
        let mut redis = Redis::prepare(settings, "");
        redis.program = artefacts::installed_server();
        redis.launch();
        redis
    }

    /// The next [`Redis::restart`] starts the server under test.
    pub fn upgrade(&mut self) {
        self.program = artefacts::redis_server();
    }
}
