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
    is_redirected: bool,
}

impl<N> Pending<N> {
    fn again(command: usize) -> Pending<N> {
        Pending { command, ask: None, is_redirected: false }
    }
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
            pending: (0..commands.len()).map(Pending::again).collect(),
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
                Verdict::NotNow => Pending::again(command),
                Verdict::Moved { .. } => {
                    // The map knows the owner from now on.
                    let _ = node_at(&verdict, &self.commands[command]);
                    Pending { command, ask: None, is_redirected: true }
                }
                Verdict::Ask { .. } => {
                    let ask = node_at(&verdict, &self.commands[command]);
                    Pending { command, ask, is_redirected: true }
                }
            });
        }
    }

    /// Notes that the node was not asked, because it has no link. `is_new`: it may have one soon.
    pub(super) fn note_away(&mut self, group: Group<N>, is_new: bool) {
        for Place { command, .. } in group.places {
            self.outcomes[command] = unavailable(match is_new {
                true => Unavailable::NotServing,
                false => Unavailable::Unreachable,
            });
            if is_new {
                self.pending.push(Pending::again(command));
            }
        }
    }

    /// Notes that the node has not answered: the commands may have run.
    pub(super) fn note_unanswered(&mut self, group: Group<N>) {
        for Place { command, .. } in group.places {
            self.outcomes[command] = unavailable(Unavailable::Unreachable);
        }
    }

    /// What to do after all groups have been noted.
    pub(super) fn next(&mut self, has_patience: bool) -> Step {
        let was_redirected = self.pending.iter().any(|pending| pending.is_redirected);
        if !has_patience {
            // What was not redirected has had its attempt.
            self.pending.retain(|pending| pending.is_redirected);
        }
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
mod tests {
    use super::*;

    fn asked() -> Endpoint {
        Endpoint::new("10.0.0.9", 7009)
    }

    fn error(text: &str) -> Value {
        redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("a reply")
    }

    fn call(rooms: &[&str]) -> Call<char> {
        Call::new(rooms.iter().map(|room| commands::online(room)).collect())
    }

    /// The node of a room is its first letter.
    fn node_of(command: &Command) -> Option<char> {
        let first = char::from(*command.key()?.first()?);
        (first != '-').then_some(first)
    }

    fn read(value: Value) -> Reply {
        match value {
            Value::ServerError(error) => Err(CommandError::Unavailable(
                Unavailable::from_code(error.code()).unwrap_or(Unavailable::Unreachable),
            )),
            value => Ok(value),
        }
    }

    /// What is sent to each node, as the words of the commands.
    fn sent(call: &Call<char>, groups: &[Group<char>]) -> Vec<(char, Vec<String>)> {
        let words = |command: &Command| {
            command.key().map_or("ASKING".into(), |key| String::from_utf8_lossy(key).into_owned())
        };
        let of = |group| call.to_send(group).map(words).collect();
        groups.iter().map(|group| (group.node, of(group))).collect()
    }

    /// Notes one reply per command that was sent.
    fn note(call: &mut Call<char>, groups: Vec<Group<char>>, reply: impl Fn(&str) -> Value) {
        for group in groups {
            let words = sent(call, std::slice::from_ref(&group)).remove(0).1;
            let replies = words.iter().map(|word| reply(word)).collect();
            // The port of a redirect is the letter of its node.
            let node_at = |verdict: &Verdict, _: &Command| match verdict {
                Verdict::Moved { to, .. } | Verdict::Ask { to } => {
                    char::from_u32(u32::from(to.port))
                }
                _ => None,
            };
            call.note(group, &asked(), true, replies, node_at, read);
        }
    }

    fn outcomes(call: Call<char>) -> Vec<String> {
        let outcomes = call.into_outcomes().into_iter();
        let word = |outcome| match outcome {
            Ok(Value::Int(number)) => number.to_string(),
            Err(CommandError::Unavailable(why)) => format!("{why:?}"),
            other => format!("{other:?}"),
        };
        outcomes.map(word).collect()
    }

    #[test]
    fn a_reply_says_where_its_command_belongs() {
        let moved = |slot, host: &str| Verdict::Moved { slot, to: Endpoint::new(host, 7001) };
        let rows: &[(&str, Verdict)] = &[
            ("MOVED 866 10.0.0.1:7001", moved(866, "10.0.0.1")),
            ("MOVED 866 node.example:7001", moved(866, "node.example")),
            ("MOVED 866 ::1:7001", moved(866, "::1")),
            ("MOVED 866 [::1]:7001", moved(866, "::1")),
            ("MOVED 866 :7001", moved(866, "10.0.0.9")),
            ("MOVED 866 ?:7001", moved(866, "10.0.0.9")),
            ("MOVED 866", Verdict::Final),
            ("MOVED x 10.0.0.1:7001", Verdict::Final),
            ("MOVED 866 10.0.0.1:0", Verdict::Final),
            ("MOVED 866 10.0.0.1:99999", Verdict::Final),
            ("ASK 866 10.0.0.1:7001", Verdict::Ask { to: Endpoint::new("10.0.0.1", 7001) }),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Verdict::NotNow),
            ("CLUSTERDOWN Hash slot not served", Verdict::NotNow),
            ("LOADING Redis is loading the dataset in memory", Verdict::NotNow),
            ("MASTERDOWN Link with MASTER is down", Verdict::NotNow),
            ("READONLY You can't write against a read only replica.", Verdict::NotNow),
            ("NOREPLICAS Not enough good replicas to write.", Verdict::NotNow),
            ("BUSY Redis is busy running a script.", Verdict::NotNow),
            ("OOM command not allowed when used memory > 'maxmemory'.", Verdict::Final),
            ("WRONGTYPE Operation against a key", Verdict::Final),
            ("NOTMEMBER x", Verdict::Final),
        ];
        for (text, expected) in rows {
            assert_eq!(verdict(&error(text), &asked()), *expected, "{text}");
        }
        assert_eq!(verdict(&Value::Okay, &asked()), Verdict::Final);
    }

    #[test]
    fn a_call_is_divided_by_node_and_answered_in_order() {
        let mut call = call(&["a1", "b1", "a2", "-1", "b2"]);
        let groups = call.divide(node_of);
        let words =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let expected = [('a', words(&["a1", "a2"])), ('b', words(&["b1", "b2"]))];
        assert_eq!(sent(&call, &groups), expected);
        note(&mut call, groups, |word| match word {
            "a1" => Value::Int(1),
            "b1" => Value::Int(2),
            "a2" => Value::Int(3),
            _ => error("OOM x"),
        });
        assert_eq!(call.next(true), Step::Finish);
        assert_eq!(outcomes(call), ["1", "2", "3", "NotServing", "OutOfMemory"]);
    }

    #[test]
    fn a_redirect_is_followed_at_once_without_patience_too() {
        let mut call = call(&["a1", "a2"]);
        let groups = call.divide(node_of);
        // 98 is the letter b.
        note(&mut call, groups, |word| match word {
            "a1" => error("MOVED 1 h:98"),
            _ => error("LOADING x"),
        });
        assert_eq!(call.next(false), Step::Again, "only what was redirected");
        let groups = call.divide(|_| Some('b'));
        assert_eq!(sent(&call, &groups), [('b', vec!["a1".to_owned()])]);
        note(&mut call, groups, |_| Value::Int(1));
        assert_eq!(call.next(false), Step::Finish);
        assert_eq!(outcomes(call), ["1", "NotServing"]);
    }

    #[test]
    fn asking_stands_right_before_its_command() {
        let mut call = call(&["a1", "b1"]);
        let groups = call.divide(node_of);
        note(&mut call, groups, |word| match word {
            "a1" => error("ASK 1 h:98"),
            _ => error("NOREPLICAS x"),
        });
        assert_eq!(call.next(true), Step::Again);
        let groups = call.divide(node_of);
        let words = ["ASKING", "a1", "b1"].map(str::to_owned).to_vec();
        assert_eq!(sent(&call, &groups), [('b', words)]);
        note(&mut call, groups, |word| match word {
            "ASKING" => Value::Okay,
            "a1" => Value::Int(1),
            _ => Value::Int(2),
        });
        assert_eq!(call.next(true), Step::Finish);
        assert_eq!(outcomes(call), ["1", "2"]);
    }

    #[test]
    fn redirects_in_a_circle_end() {
        let mut call = call(&["a1"]);
        for hop in 0..=HOPS_MAX {
            let groups = call.divide(node_of);
            note(&mut call, groups, |_| error("MOVED 1 h:97"));
            let expected = if hop < HOPS_MAX { Step::Again } else { Step::Finish };
            assert_eq!(call.next(true), expected, "hop {hop}");
        }
        assert_eq!(outcomes(call), ["NotServing"]);
    }

    #[test]
    fn what_may_have_run_is_never_sent_again() {
        let mut call = call(&["a1", "b1", "c1"]);
        for group in call.divide(node_of) {
            match group.node {
                'a' => call.note_unanswered(group),
                'b' => call.note_away(group, false),
                _ => call.note_away(group, true),
            }
        }
        assert_eq!(call.next(true), Step::Later);
        let groups = call.divide(node_of);
        assert_eq!(sent(&call, &groups), [('c', vec!["c1".to_owned()])], "it may have a link soon");
        note(&mut call, groups, |_| Value::Int(1));
        assert_eq!(call.next(true), Step::Finish);
        assert_eq!(outcomes(call), ["Unreachable", "Unreachable", "1"]);
    }

    #[test]
    fn patience_ends() {
        let mut call = call(&["a1"]);
        let groups = call.divide(node_of);
        note(&mut call, groups, |_| error("NOREPLICAS x"));
        assert_eq!(call.next(true), Step::Later);
        let groups = call.divide(node_of);
        note(&mut call, groups, |_| error("NOREPLICAS x"));
        assert_eq!(call.next(false), Step::Finish);
        assert_eq!(outcomes(call), ["WritesRefused"]);
    }
}
