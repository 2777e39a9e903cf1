//! Routing: which node executes which commands of a call, and what to do with replies that name
//! another node or say "not now".
//!
//! The one idea: each command has its own outcome, and only a reply that shows for sure that the
//! command did not run sends it again. `MOVED` and `ASK` send it to the node they name, at most
//! [`HOPS_MAX`] times. What will pass soon (a slot between two nodes, a failover, a node that loads)
//! is tried again as long as the caller has patience. A command that may have run never is.
//!
//! This is the pure part: it sends nothing, and knows neither links nor the map. See `upstream.rs`.

use redis::Value;

use crate::config::Endpoint;
use crate::upstream::commands::{self, Command};
use crate::upstream::outcome::{CommandError, Reply, Unavailable};

/// Redirects that one call follows.
const HOPS_MAX: u32 = 5;

/// What a reply says about where and when its command must be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The reply is the outcome.
    Final,
    /// Not executed: another node owns this slot.
    Moved { slot: u16, to: Endpoint },
    /// Not executed: the slot is moving, and the key is at this node already. Only the next command
    /// goes there, behind `ASKING`.
    Ask { to: Endpoint },
    /// Not executed: the node serves nothing of this kind for a while.
    NotNow,
}

/// What this reply of the node at `asked` says.
pub(super) fn verdict(reply: &Value, asked: &Endpoint) -> Verdict {
    let Value::ServerError(error) = reply else { return Verdict::Final };
    let redirect = || redirect(error.details().unwrap_or(""), asked);
    match error.code() {
        "MOVED" => redirect().map_or(Verdict::Final, |(slot, to)| Verdict::Moved { slot, to }),
        "ASK" => redirect().map_or(Verdict::Final, |(_, to)| Verdict::Ask { to }),
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" | "NOREPLICAS"
        | "BUSY" => Verdict::NotNow,
        _ => Verdict::Final,
    }
}

/// The slot and the node in `slot host:port`. Without a host it is that of the node asked, and an
/// IPv6 address may have brackets or not.
pub(super) fn redirect(details: &str, asked: &Endpoint) -> Option<(u16, Endpoint)> {
    let (slot, address) = details.trim().split_once(' ')?;
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let to = match bare {
        "" | "?" => Endpoint::new(asked.host.clone(), port),
        host => Endpoint::new(host, port),
    };
    Some((slot.parse().ok()?, to))
}

/// Commands of a call that go to one node in one write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group<N> {
    /// The node.
    pub(super) node: N,
    places: Vec<Place>,
}

/// A command of a call, by its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    command: usize,
    is_asking: bool,
}

/// A command that has no final outcome yet.
struct Pending<N> {
    command: usize,
    /// The node that an `ASK` has named.
    ask: Option<N>,
    why: Why,
}

/// Why a command has no final outcome yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It has been redirected, or was never sent.
    Redirected,
    /// Its node has no link yet.
    NodeIsNew,
    /// Its node does not serve it now.
    NotNow,
}

/// What a call still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// For whatever may pass.
    Patient,
    /// For links to nodes that are new.
    ForNewNodes,
    /// For nothing: the time is over.
    Over,
}

/// What a call does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Return the outcomes.
    Finish,
    /// Send the rest now: it has been redirected.
    Again,
    /// Send the rest after a pause.
    Later,
}

/// A call that is under way.
pub(super) struct Call<N> {
    commands: Vec<Command>,
    asking: Command,
    /// The outcome of each command as far as is known.
    outcomes: Vec<Reply>,
    pending: Vec<Pending<N>>,
    hops: u32,
}

impl<N: Clone + PartialEq> Call<N> {
    /// A call of which nothing has been sent.
    pub(super) fn new(commands: Vec<Command>) -> Call<N> {
        Call {
            asking: commands::asking(),
            outcomes: commands.iter().map(|_| unavailable(Unavailable::Unreachable)).collect(),
            pending: (0..commands.len())
                .map(|command| Pending { command, ask: None, why: Why::Redirected })
                .collect(),
            commands,
            hops: 0,
        }
    }

    /// Divides what is to be sent by its nodes; commands for one node keep their order. A command
    /// that has no node is away.
    pub(super) fn divide(&mut self, node_of: impl Fn(&Command) -> Option<N>) -> Vec<Group<N>> {
        let mut groups: Vec<Group<N>> = Vec::new();
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_unstable_by_key(|pending| pending.command);
        for Pending { command, ask, .. } in pending {
            let is_asking = ask.is_some();
            let Some(node) = ask.or_else(|| node_of(&self.commands[command])) else {
                self.outcomes[command] = unavailable(Unavailable::NotServing);
                continue;
            };
            let place = Place { command, is_asking };
            match groups.iter_mut().find(|group| group.node == node) {
                Some(group) => group.places.push(place),
                None => groups.push(Group { node, places: vec![place] }),
            }
        }
        groups
    }

    /// The first attempt of a call of which all commands go to one node.
    pub(super) fn undivided(&mut self, node: N) -> Group<N> {
        let all = std::mem::take(&mut self.pending).into_iter();
        let places = all.map(|Pending { command, .. }| Place { command, is_asking: false });
        Group { node, places: places.collect() }
    }

    /// What to write for this group, `ASKING` right before each command that needs it.
    pub(super) fn to_send<'c>(&'c self, group: &'c Group<N>) -> impl Iterator<Item = &'c Command> {
        group.places.iter().flat_map(|place| {
            let asking = place.is_asking.then_some(&self.asking);
            asking.into_iter().chain(self.commands.get(place.command))
        })
    }

    /// Notes the replies to [`Call::to_send`], from the node at `asked`. `may_pass`: the state of
    /// the node is new, so what it does not serve now it may serve soon. `read` makes an outcome of
    /// a reply, `node_at` finds the node that a redirect names and learns from it.
    pub(super) fn note(
        &mut self,
        group: Group<N>,
        asked: &Endpoint,
        may_pass: bool,
        replies: Vec<Value>,
        mut node_at: impl FnMut(&Verdict, &Command) -> Option<N>,
        mut read: impl FnMut(Value) -> Reply,
    ) {
        let mut replies = replies.into_iter();
        for Place { command, is_asking } in group.places {
            if is_asking {
                let _ = replies.next();
            }
            let Some(reply) = replies.next() else { continue };
            let verdict = verdict(&reply, asked);
            self.outcomes[command] = read(reply);
            self.pending.push(match &verdict {
                Verdict::Final => continue,
                Verdict::NotNow if !may_pass => continue,
                Verdict::NotNow => Pending { command, ask: None, why: Why::NotNow },
                Verdict::Moved { .. } => {
                    // The map knows the owner from now on.
                    let _ = node_at(&verdict, &self.commands[command]);
                    Pending { command, ask: None, why: Why::Redirected }
                }
                Verdict::Ask { .. } => {
                    let ask = node_at(&verdict, &self.commands[command]);
                    Pending { command, ask, why: Why::Redirected }
                }
            });
        }
    }

    /// Notes that the node was not asked, because it has no link. `is_new`: it may have one soon.
    pub(super) fn note_away(&mut self, group: Group<N>, is_new: bool) {
        for Place { command, is_asking } in group.places {
            self.outcomes[command] = unavailable(match is_new {
                true => Unavailable::NotServing,
                false => Unavailable::Unreachable,
            });
            if is_new {
                let ask = is_asking.then(|| group.node.clone());
                self.pending.push(Pending { command, ask, why: Why::NodeIsNew });
            }
        }
    }

    /// Notes that the node has not answered: the commands may have run. Those that may run twice are
    /// sent again if the node may have another link soon (`may_come`).
    pub(super) fn note_unanswered(&mut self, group: Group<N>, may_come: bool) {
        for Place { command, .. } in group.places {
            self.outcomes[command] = unavailable(Unavailable::Unreachable);
            if may_come && self.commands[command].may_run_twice() {
                self.pending.push(Pending { command, ask: None, why: Why::NotNow });
            }
        }
    }

    /// What to do after all groups have been noted.
    pub(super) fn next(&mut self, patience: Patience) -> Step {
        let was_redirected = self.pending.iter().any(|pending| pending.why == Why::Redirected);
        self.pending.retain(|pending| match pending.why {
            Why::Redirected => true,
            Why::NodeIsNew => patience != Patience::Over,
            Why::NotNow => patience == Patience::Patient,
        });
        match was_redirected {
            _ if self.pending.is_empty() => Step::Finish,
            false => Step::Later,
            true if self.hops == HOPS_MAX => Step::Finish,
            true => {
                self.hops += 1;
                Step::Again
            }
        }
    }

    /// The outcomes, in the order of the commands.
    pub(super) fn into_outcomes(self) -> Vec<Reply> {
        self.outcomes
    }
}

fn unavailable(why: Unavailable) -> Reply {
    Err(CommandError::Unavailable(why))
}

#[cfg(test)]
mod tests;
