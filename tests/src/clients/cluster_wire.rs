//! A client of a cluster that follows redirects: what a plain client would do, so that scenarios
//! can compare the relay with it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::clients::reply::Reply;
use crate::clients::wire::Wire;
use crate::wait::eventually;

/// Redirects of one command.
const HOPS: usize = 5;

/// A reply that takes longer means that the node stands still.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Connections to the nodes of a cluster.
pub struct ClusterWire {
    seeds: Vec<SocketAddr>,
    wires: HashMap<SocketAddr, Wire>,
    /// Where keys were found last.
    known: HashMap<String, SocketAddr>,
    next_seed: usize,
    /// How often it was sent elsewhere by `ASK`.
    pub asked: usize,
}

impl ClusterWire {
    /// A client that knows these nodes.
    pub fn new(seeds: &[SocketAddr]) -> ClusterWire {
        let (wires, known) = (HashMap::new(), HashMap::new());
        ClusterWire { seeds: seeds.to_vec(), wires, known, next_seed: 0, asked: 0 }
    }

    /// The reply to a command about `key`, from the node that answers for it. Error: nobody does at
    /// the moment, or the connection broke and it is unknown whether the command was executed.
    pub fn try_call<A: AsRef<[u8]>>(&mut self, key: &str, args: &[A]) -> Result<Reply, String> {
        let mut at = match self.known.get(key) {
            Some(address) => *address,
            None => self.seed(),
        };
        let mut asking = false;
        for _ in 0..HOPS {
            let reply = self.call_at(at, asking, args).inspect_err(|_| {
                self.known.remove(key);
            })?;
            let Reply::Error(line) = &reply else {
                if !asking {
                    self.known.insert(key.to_owned(), at);
                }
                return Ok(reply);
            };
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["MOVED", _, address] => (at, asking) = (address.parse().map_err(|_| line)?, false),
                ["ASK", _, address] => {
                    self.asked += 1;
                    (at, asking) = (address.parse().map_err(|_| line)?, true);
                }
                ["CLUSTERDOWN" | "TRYAGAIN" | "LOADING" | "READONLY" | "MASTERDOWN", ..] => {
                    self.known.remove(key);
                    return Err(line.clone());
                }
                _ => return Ok(reply),
            }
        }
        Err(format!("more than {HOPS} redirects"))
    }

    /// As [`ClusterWire::try_call`], again and again for `deadline`: for commands that may be
    /// repeated.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, key: &str, args: &[A], deadline: Duration) -> Reply {
        eventually("an answer of the cluster", deadline, || self.try_call(key, args))
    }

    fn call_at<A: AsRef<[u8]>>(
        &mut self,
        address: SocketAddr,
        asking: bool,
        args: &[A],
    ) -> Result<Reply, String> {
        let mut wire = match self.wires.remove(&address) {
            Some(wire) => wire,
            None => {
                let wire = Wire::connect(address).map_err(|error| error.to_string())?;
                let timeout = wire.socket().set_read_timeout(Some(TIMEOUT));
                timeout.map_err(|error| error.to_string())?;
                wire
            }
        };
        if asking {
            wire.try_call(&["ASKING"]).map_err(|error| error.to_string())?;
        }
        let reply = wire.try_call(args).map_err(|error| error.to_string())?;
        self.wires.insert(address, wire);
        Ok(reply)
    }

    fn seed(&mut self) -> SocketAddr {
        self.next_seed += 1;
        self.seeds[self.next_seed % self.seeds.len()]
    }
}
