//! What becomes of each command of a call.

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
            Verdict::Moved { to, .. } | Verdict::Ask { to } => char::from_u32(u32::from(to.port)),
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
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let expected = [('a', words(&["a1", "a2"])), ('b', words(&["b1", "b2"]))];
    assert_eq!(sent(&call, &groups), expected);
    note(&mut call, groups, |word| match word {
        "a1" => Value::Int(1),
        "b1" => Value::Int(2),
        "a2" => Value::Int(3),
        _ => error("OOM x"),
    });
    assert_eq!(call.next(Patience::Patient), Step::Finish);
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
    assert_eq!(call.next(Patience::ForNewNodes), Step::Again, "only what was redirected");
    let groups = call.divide(|_| Some('b'));
    assert_eq!(sent(&call, &groups), [('b', vec!["a1".to_owned()])]);
    note(&mut call, groups, |_| Value::Int(1));
    assert_eq!(call.next(Patience::ForNewNodes), Step::Finish);
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
    assert_eq!(call.next(Patience::Patient), Step::Again);
    let groups = call.divide(node_of);
    let words = ["ASKING", "a1", "b1"].map(str::to_owned).to_vec();
    assert_eq!(sent(&call, &groups), [('b', words)]);
    note(&mut call, groups, |word| match word {
        "ASKING" => Value::Okay,
        "a1" => Value::Int(1),
        _ => Value::Int(2),
    });
    assert_eq!(call.next(Patience::Patient), Step::Finish);
    assert_eq!(outcomes(call), ["1", "2"]);
}

#[test]
fn redirects_in_a_circle_end() {
    let mut call = call(&["a1"]);
    for hop in 0..=HOPS_MAX {
        let groups = call.divide(node_of);
        note(&mut call, groups, |_| error("MOVED 1 h:97"));
        let expected = if hop < HOPS_MAX { Step::Again } else { Step::Finish };
        assert_eq!(call.next(Patience::Patient), expected, "hop {hop}");
    }
    assert_eq!(outcomes(call), ["NotServing"]);
}

#[test]
fn what_may_have_run_is_sent_again_only_if_that_does_no_harm() {
    let leave = commands::leave("d1", "alice");
    let signal = commands::signal("d3", "alice", "typing", None);
    let reads = ["d2", "e1"].map(commands::online);
    let mut call = Call::new([leave].into_iter().chain(reads).chain([signal]).collect());
    for group in call.divide(node_of) {
        let may_come = group.node == 'd';
        call.note_unanswered(group, may_come);
    }
    assert_eq!(call.next(Patience::Patient), Step::Later);
    let groups = call.divide(node_of);
    let again = ["d2", "d3"].map(str::to_owned).to_vec();
    assert_eq!(sent(&call, &groups), [('d', again)], "the other node is away");
    note(&mut call, groups, |_| Value::Int(1));
    assert_eq!(call.next(Patience::Patient), Step::Finish);
    assert_eq!(outcomes(call), ["Unreachable", "1", "Unreachable", "1"]);
}

#[test]
fn a_caller_with_its_own_next_try_waits_for_new_nodes_only() {
    let mut call = call(&["a1", "b1", "c1"]);
    for group in call.divide(node_of) {
        match group.node {
            'a' => call.note_unanswered(group, true),
            'b' => call.note_away(group, false),
            _ => call.note_away(group, true),
        }
    }
    assert_eq!(call.next(Patience::ForNewNodes), Step::Later);
    let groups = call.divide(node_of);
    assert_eq!(sent(&call, &groups), [('c', vec!["c1".to_owned()])], "it may have a link soon");
    note(&mut call, groups, |_| Value::Int(1));
    assert_eq!(call.next(Patience::Patient), Step::Finish);
    assert_eq!(outcomes(call), ["Unreachable", "Unreachable", "1"]);
}

#[test]
fn patience_ends() {
    let mut call = call(&["a1"]);
    let groups = call.divide(node_of);
    note(&mut call, groups, |_| error("NOREPLICAS x"));
    assert_eq!(call.next(Patience::Patient), Step::Later);
    let groups = call.divide(node_of);
    note(&mut call, groups, |_| error("NOREPLICAS x"));
    assert_eq!(call.next(Patience::ForNewNodes), Step::Finish);
    assert_eq!(outcomes(call), ["WritesRefused"]);
}

#[test]
fn a_new_node_that_was_named_by_ask_is_asked_when_it_has_a_link() {
    let mut call = call(&["a1"]);
    let groups = call.divide(node_of);
    note(&mut call, groups, |_| error("ASK 1 h:98"));
    assert_eq!(call.next(Patience::ForNewNodes), Step::Again);
    let groups = call.divide(node_of);
    let expected = [('b', ["ASKING", "a1"].map(str::to_owned).to_vec())];
    assert_eq!(sent(&call, &groups), expected);
    groups.into_iter().for_each(|group| call.note_away(group, true));
    assert_eq!(call.next(Patience::ForNewNodes), Step::Later);
    let groups = call.divide(node_of);
    assert_eq!(sent(&call, &groups), expected);
    groups.into_iter().for_each(|group| call.note_away(group, true));
    assert_eq!(call.next(Patience::Over), Step::Finish);
    assert_eq!(outcomes(call), ["NotServing"]);
}
