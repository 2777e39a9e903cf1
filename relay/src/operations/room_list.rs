//! The list of rooms over all nodes: its cursor, and the merging of pages.
//!
//! Each node lists its own rooms, last active first, in pages with a cursor. A page here is one of
//! every node that has more, sorted by last activity. The cursor names the nodes with their cursors:
//! a node that has gone is left out, and a new one begins at its start. A node that cannot be asked
//! keeps its place while others have more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use chat_protocol::id::Id;
use redis::Value;

use crate::client::error::Error;
use crate::client::json;
use crate::operations::table::COUNT_MOST;
use crate::upstream::replies::{Elements, id, text};
use crate::upstream::{CommandError, NodeId, Reply};

/// The rows that a node answers if it is asked for no number.
const COUNT_DEFAULT: u64 = 50;
/// Bounds of a cursor and of what it names.
const CURSOR_MAX: usize = 64 << 10;
const NODES_MAX: usize = 1000;
const NODE_CURSOR_MAX: usize = 64;

/// Where a list goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListCursor {
    /// The cursor of each node that was asked; `None`: it has no more.
    nodes: BTreeMap<String, Option<String>>,
}

/// One page of the list.
#[derive(Debug)]
pub(super) struct ListPage {
    /// Where the next one begins. `None`: this is the last one.
    pub(super) cursor: Option<String>,
    /// The rows.
    pub(super) rows: Vec<Value>,
    /// The rooms of some nodes are missing, because they cannot be asked.
    pub(super) is_incomplete: bool,
}

impl ListCursor {
    /// Reads the cursor of a client, who may have made it up.
    pub(super) fn read(cursor: Option<&str>) -> Result<ListCursor, Error> {
        let Some(cursor) = cursor else { return Ok(ListCursor::default()) };
        let wrong = || Error::invalid("cursor", "what the page before has answered");
        if cursor.len() > CURSOR_MAX {
            return Err(wrong());
        }
        let nodes: BTreeMap<String, Option<String>> =
            serde_json::from_str(cursor).map_err(|_| wrong())?;
        let is_short = |cursor: &Option<String>| {
            cursor.as_ref().is_none_or(|cursor| cursor.len() <= NODE_CURSOR_MAX)
        };
        match nodes.len() <= NODES_MAX && nodes.values().all(is_short) {
            true => Ok(ListCursor { nodes }),
            false => Err(wrong()),
        }
    }

    /// The cursor to ask this node with. Outer `None`: the node has no more.
    pub(super) fn at(&self, node: &NodeId) -> Option<Option<&str>> {
        match self.nodes.get(node.as_str()) {
            None => Some(None),
            Some(cursor) => cursor.as_deref().map(Some),
        }
    }

    fn text(&self) -> Option<String> {
        let has_more = self.nodes.values().any(Option::is_some);
        has_more.then(|| json::write(&self.nodes))
    }
}

/// The number of rows to ask each of so many nodes for, so that all fit into a reply of `most` rows.
pub(super) fn count_per_node(count: Option<u64>, nodes: usize, most: u64) -> Option<u64> {
    let most = (most / nodes.max(1) as u64).max(1);
    match count {
        None if COUNT_DEFAULT <= most => None,
        None => Some(most),
        // For Redis to refuse it.
        Some(wrong) if wrong == 0 || wrong > COUNT_MOST => Some(wrong),
        Some(count) => Some(count.min(most)),
    }
}

/// Merges the replies of nodes to a page. `before` is the cursor with which they were asked, `all` are
/// the nodes that there are.
pub(super) fn merge(
    before: &ListCursor,
    all: &[NodeId],
    replies: Vec<(NodeId, Reply)>,
) -> Result<ListPage, Error> {
    // The nodes that have no more stay known as such; those that have gone are left out.
    let mut nodes: BTreeMap<String, Option<String>> = BTreeMap::new();
    for node in all {
        if let Some(cursor) = before.nodes.get(node.as_str()) {
            nodes.insert(node.as_str().to_owned(), cursor.clone());
        }
    }
    let (mut rows, mut away, asked) = (Vec::new(), Vec::new(), replies.len());
    for (node, reply) in replies {
        let value = match reply {
            Ok(value) => value,
            Err(CommandError::Unavailable(why)) => {
                away.push((node, why));
                continue;
            }
            Err(CommandError::Refused(error)) => return Err(error),
        };
        let mut reply = Elements::of(value)?;
        let cursor = match reply.any()? {
            Value::Nil => None,
            cursor => Some(text(cursor)?),
        };
        nodes.insert(node.as_str().to_owned(), cursor);
        rows.extend(reply.list()?);
    }
    if let (Some((_, why)), true) = (away.first(), away.len() == asked) {
        return Err((*why).into());
    }
    // A node that is away is asked again with the next page, but the list does not wait for it.
    let is_away = |name: &str| away.iter().any(|(node, _)| node.as_str() == name);
    let others_have_more = nodes.iter().any(|(name, cursor)| cursor.is_some() && !is_away(name));
    let cursor = others_have_more.then(|| ListCursor { nodes }.text()).flatten();
    Ok(ListPage { cursor, rows: in_order(rows), is_incomplete: !away.is_empty() })
}

/// The rows by last activity, each room once: while it moves, two nodes may list it.
fn in_order(rows: Vec<Value>) -> Vec<Value> {
    let key = |row: &Value| -> Option<(Reverse<Id>, String)> {
        let Value::Array(row) = row else { return None };
        let (name, last) = (text(row.first()?.clone()).ok()?, id(row.get(1)?.clone()).ok()?);
        Some((Reverse(last), name))
    };
    let mut rows: Vec<_> = rows.into_iter().filter_map(|row| Some((key(&row)?, row))).collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut named = HashSet::new();
    rows.retain(|((_, name), _)| named.insert(name.clone()));
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Unavailable;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn node(name: &str) -> NodeId {
        NodeId::new(name)
    }

    fn page(cursor: Option<&str>, rooms: &[(&str, &str)]) -> Reply {
        let row = |(room, last): &(&str, &str)| Value::Array(vec![bulk(room), bulk(last)]);
        let rows = Value::Array(rooms.iter().map(row).collect());
        Ok(Value::Array(vec![cursor.map_or(Value::Nil, bulk), rows]))
    }

    fn names(page: &ListPage) -> Vec<String> {
        let name = |row: &Value| match row {
            Value::Array(row) => text(row[0].clone()).expect("a name"),
            other => panic!("{other:?}"),
        };
        page.rows.iter().map(name).collect()
    }

    fn away() -> Reply {
        Err(Unavailable::Unreachable.into())
    }

    #[test]
    fn pages_of_nodes_become_one_by_last_activity_without_doubles() {
        let all = [node("a"), node("b")];
        let start = ListCursor::default();
        let replies = vec![
            (node("a"), page(Some("5-2"), &[("one", "9-1"), ("two", "5-1"), ("moving", "3-3")])),
            (node("b"), page(None, &[("three", "7-1"), ("moving", "4-3"), ("four", "5-1")])),
        ];
        let first = merge(&start, &all, replies).expect("a page");
        assert_eq!(names(&first), ["one", "three", "four", "two", "moving"]);
        assert!(!first.is_incomplete);
        let cursor = ListCursor::read(first.cursor.as_deref()).expect("its own cursor");
        assert_eq!(cursor.at(&node("a")), Some(Some("5-2")));
        assert_eq!(cursor.at(&node("b")), None, "it has no more");
        assert_eq!(cursor.at(&node("c")), Some(None), "a new one begins at its start");
        // Node a has gone, c is new.
        let all = [node("b"), node("c")];
        let last = merge(&cursor, &all, vec![(node("c"), page(None, &[("five", "1-1")]))]);
        assert_eq!(last.expect("a page").cursor, None);
    }

    #[test]
    fn a_node_that_is_away_is_left_out_and_the_list_ends_without_it() {
        let all = [node("a"), node("b")];
        let start = ListCursor::default();
        let more = vec![(node("a"), page(Some("1"), &[("one", "9-1")])), (node("b"), away())];
        let first = merge(&start, &all, more).expect("a page");
        assert!(first.is_incomplete);
        let cursor = ListCursor::read(first.cursor.as_deref()).expect("its own cursor");
        assert_eq!(cursor.at(&node("b")), Some(None), "it is asked with the next page");
        let end = vec![(node("a"), page(None, &[])), (node("b"), away())];
        let last = merge(&cursor, &all, end).expect("a page");
        assert_eq!((last.cursor, last.is_incomplete), (None, true));
        let all_away = vec![(node("a"), away()), (node("b"), away())];
        assert_eq!(merge(&cursor, &all, all_away).expect_err("no answer").code, "UNAVAILABLE");
        let refused = Err(CommandError::Refused(Error::invalid("cursor", "no cursor")));
        assert_eq!(merge(&start, &all, vec![(node("a"), refused)]).expect_err("").code, "INVALID");
    }

    #[test]
    fn a_cursor_that_was_made_up_is_refused_or_harmless() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(NODE_CURSOR_MAX + 1));
        let nodes: Vec<String> = (0..=NODES_MAX).map(|n| format!(r#""{n}":"1""#)).collect();
        let many = format!("{{{}}}", nodes.join(","));
        let huge = " ".repeat(CURSOR_MAX + 1);
        for wrong in ["", "5-2", "[]", "{", r#"{"a":1}"#, r#"{"a":{}}"#, &long, &many, &huge] {
            let error = ListCursor::read(Some(wrong)).expect_err(wrong);
            assert_eq!(error.code, "INVALID", "{wrong:.40}");
        }
        let unknown = ListCursor::read(Some(r#"{"nowhere":"9","b":null}"#)).expect("a cursor");
        let all = [node("a"), node("b")];
        let page = merge(&unknown, &all, vec![(node("a"), page(None, &[]))]).expect("a page");
        assert_eq!(page.cursor, None, "nodes that do not exist are left out");
    }

    #[test]
    fn all_pages_together_fit_into_a_reply() {
        let rows = [
            (None, 1, 700, None),
            (None, 3, 700, None),
            (None, 100, 700, Some(7)),
            (Some(10), 3, 700, Some(10)),
            (Some(1000), 3, 700, Some(233)),
            (Some(1000), 1000, 700, Some(1)),
            (Some(0), 3, 700, Some(0)),
            (Some(COUNT_MOST + 1), 3, 700, Some(COUNT_MOST + 1)),
        ];
        for (count, nodes, most, expected) in rows {
            assert_eq!(count_per_node(count, nodes, most), expected, "{count:?} of {nodes}");
        }
    }
}
