//! How much of a stream may be trimmed: what all its groups have acknowledged.

use redis::Value;

/// A consumer group of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: Vec<u8>,
    last_delivered: (u64, u64),
}

/// The groups in a reply of `XINFO GROUPS`. `None`: it is none.
pub(super) fn groups(reply: Value) -> Option<Vec<Group>> {
    let Value::Array(groups) = reply else { return None };
    groups.into_iter().map(group).collect()
}

fn group(reply: Value) -> Option<Group> {
    let pairs = match reply {
        Value::Map(pairs) => pairs,
        _ => return None,
    };
    let field = |wanted: &str| {
        let found = pairs.iter().find(|(name, _)| bytes(name) == Some(wanted.as_bytes()));
        found.and_then(|(_, value)| bytes(value))
    };
    Some(Group {
        name: field("name")?.to_vec(),
        last_delivered: entry_id(field("last-delivered-id")?)?,
    })
}

/// The id of the first entry that some group has not acknowledged, from each group's reply of
/// `XPENDING`. `None`: a reply is none.
pub(super) fn first_to_keep(groups: &[Group], pending: &[Value]) -> Option<String> {
    let mut first: Option<(u64, u64)> = None;
    for (group, pending) in groups.iter().zip(pending) {
        let Value::Array(parts) = pending else { return None };
        let oldest = match parts.get(1)? {
            Value::Nil => (group.last_delivered.0, group.last_delivered.1.checked_add(1)?),
            id => entry_id(bytes(id)?)?,
        };
        first = Some(first.map_or(oldest, |first| first.min(oldest)));
    }
    first.map(|(ms, n)| format!("{ms}-{n}"))
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

fn entry_id(bytes: &[u8]) -> Option<(u64, u64)> {
    let (ms, n) = std::str::from_utf8(bytes).ok()?.split_once('-')?;
    Some((ms.parse().ok()?, n.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn reply(name: &str, last: &str) -> Value {
        Value::Map(vec![
            (text("name"), text(name)),
            (text("consumers"), Value::Int(1)),
            (text("pending"), Value::Int(0)),
            (text("last-delivered-id"), text(last)),
        ])
    }

    #[test]
    fn what_a_group_has_not_acknowledged_is_kept() {
        let nothing = Value::Array(vec![Value::Int(0), Value::Nil, Value::Nil, Value::Nil]);
        let some = Value::Array(vec![Value::Int(2), text("7-3"), text("9-0"), Value::Nil]);
        let all = groups(Value::Array(vec![reply("a", "9-4"), reply("b", "8-0")])).expect("groups");
        let keep = |pending: &[&Value]| {
            first_to_keep(&all, &pending.iter().map(|one| (*one).clone()).collect::<Vec<_>>())
        };
        assert_eq!(keep(&[&nothing, &nothing]).as_deref(), Some("8-1"));
        assert_eq!(keep(&[&some, &nothing]).as_deref(), Some("7-3"));
        assert_eq!(keep(&[&Value::Nil, &nothing]), None);
        assert_eq!(groups(Value::Nil), None);
        assert_eq!(groups(Value::Array(vec![Value::Nil])), None);
    }
}
