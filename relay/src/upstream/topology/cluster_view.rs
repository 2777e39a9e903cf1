//! What a node of a cluster says of it: who owns which slots, and how recent that is.
//!
//! A node that is frozen or cut off still claims slots that others own by now. So several nodes are
//! asked, and [`best`] chooses: of those that find the cluster in order, the one that knows the
//! highest epoch.
//!
//! Nothing here asks; see `topology.rs`.

use redis::Value;

use crate::config::Endpoint;
use crate::upstream::nodes::overview::NodeId;
use crate::upstream::replies::UnexpectedReply;
use chat_protocol::slot::SLOTS;

/// The answer of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct ClusterView {
    /// `cluster_current_epoch`. It rises with every failover and every slot that has moved.
    pub(in crate::upstream) epoch: u64,
    /// Whether the node finds the cluster in order: `cluster_state:ok`.
    pub(in crate::upstream) is_ok: bool,
    /// The slots that have an owner.
    pub(in crate::upstream) ranges: Vec<SlotRange>,
}

/// Slots that follow each other and have the same owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct SlotRange {
    /// The first slot.
    pub(in crate::upstream) first: u16,
    /// The last slot.
    pub(in crate::upstream) last: u16,
    /// The address of the owner.
    pub(in crate::upstream) endpoint: Endpoint,
    /// The name of the owner.
    pub(in crate::upstream) id: NodeId,
}

impl ClusterView {
    /// Reads the replies to `CLUSTER SLOTS` and `CLUSTER INFO` of the node at `asked`. A range is
    /// left out if the node does not know its owner's address.
    pub(in crate::upstream) fn read(
        slots: &Value,
        info: &Value,
        asked: &Endpoint,
    ) -> Result<ClusterView, UnexpectedReply> {
        let Value::Array(rows) = slots else { return Err(UnexpectedReply) };
        let mut ranges = Vec::with_capacity(rows.len());
        for row in rows {
            ranges.extend(read_range(row, asked)?);
        }
        let info = text(info).ok_or(UnexpectedReply)?;
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        Ok(ClusterView {
            epoch: field("cluster_current_epoch")
                .and_then(|epoch| epoch.parse().ok())
                .ok_or(UnexpectedReply)?,
            is_ok: field("cluster_state") == Some("ok"),
            ranges,
        })
    }
}

/// The view to believe: of the views that find the cluster in order the one with the highest epoch,
/// and if there is none of these, of all views.
pub(in crate::upstream) fn best(views: Vec<ClusterView>) -> Option<ClusterView> {
    views.into_iter().max_by_key(|view| (view.is_ok, view.epoch))
}

/// `[first, last, [host, port, id, [name, value …]], replica …]`. None: the owner's address is not
/// known.
fn read_range(row: &Value, asked: &Endpoint) -> Result<Option<SlotRange>, UnexpectedReply> {
    let Value::Array(row) = row else { return Err(UnexpectedReply) };
    let [first, last, Value::Array(owner), ..] = &row[..] else { return Err(UnexpectedReply) };
    let [host, port, id, more @ ..] = &owner[..] else { return Err(UnexpectedReply) };
    let (first, last) = (slot(first)?, slot(last)?);
    if first > last {
        return Err(UnexpectedReply);
    }
    let host = match host {
        Value::Nil => asked.host.clone(),
        host => match &*text(host).ok_or(UnexpectedReply)? {
            "" => asked.host.clone(),
            // It should announce a name and has none.
            "?" => match more.first().and_then(|more| named(more, "ip")) {
                Some(ip) => ip.into(),
                None => return Ok(None),
            },
            host => host.into(),
        },
    };
    let Value::Int(port) = port else { return Err(UnexpectedReply) };
    let port = u16::try_from(*port).map_err(|_| UnexpectedReply)?;
    if port == 0 {
        return Ok(None);
    }
    let id = NodeId::new(&text(id).ok_or(UnexpectedReply)?);
    Ok(Some(SlotRange { first, last, endpoint: Endpoint::new(host, port), id }))
}

fn slot(value: &Value) -> Result<u16, UnexpectedReply> {
    match value {
        Value::Int(slot) => {
            u16::try_from(*slot).ok().filter(|slot| *slot < SLOTS).ok_or(UnexpectedReply)
        }
        _ => Err(UnexpectedReply),
    }
}

/// The value of this name among the metadata of a node: a map, or names and values in turn.
fn named(metadata: &Value, name: &str) -> Option<String> {
    let value = match metadata {
        Value::Map(fields) => {
            fields.iter().find(|(key, _)| text(key).as_deref() == Some(name)).map(|(_, v)| v)?
        }
        Value::Array(words) => {
            let at =
                words.iter().step_by(2).position(|word| text(word).as_deref() == Some(name))?;
            words.get(2 * at + 1)?
        }
        _ => return None,
    };
    text(value).filter(|text| !text.is_empty())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Endpoint {
        Endpoint::new("10.0.0.9", 7009)
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn row(first: i64, last: i64, host: Value, port: i64, more: Vec<Value>) -> Value {
        let mut owner = vec![host, Value::Int(port), bulk("an-id")];
        owner.extend(more);
        let replica = Value::Array(vec![bulk("replica"), Value::Int(1), bulk("another-id")]);
        Value::Array(vec![Value::Int(first), Value::Int(last), Value::Array(owner), replica])
    }

    fn read(rows: Vec<Value>, info: &str) -> Result<ClusterView, UnexpectedReply> {
        ClusterView::read(&Value::Array(rows), &bulk(info), &asked())
    }

    const INFO: &str = "cluster_state:ok\r\ncluster_known_nodes:6\r\ncluster_current_epoch:12\r\n";

    #[test]
    fn an_owner_has_the_address_that_the_node_announces() {
        let ip = || Value::Array(vec![bulk("ip"), bulk("10.0.0.1")]);
        let as_map = || Value::Map(vec![(bulk("ip"), bulk("10.0.0.2"))]);
        let rows: Vec<(&str, Value, Vec<Value>, Option<&str>)> = vec![
            ("an address", bulk("10.0.0.3"), vec![], Some("10.0.0.3:7000")),
            ("a name", bulk("node-1.example"), vec![ip()], Some("node-1.example:7000")),
            ("an IPv6 address", bulk("fd00::1"), vec![], Some("[fd00::1]:7000")),
            ("null is the host that was asked", Value::Nil, vec![ip()], Some("10.0.0.9:7000")),
            ("so is nothing", bulk(""), vec![], Some("10.0.0.9:7000")),
            ("a name that is missing", bulk("?"), vec![ip()], Some("10.0.0.1:7000")),
            ("the same, as a map", bulk("?"), vec![as_map()], Some("10.0.0.2:7000")),
            ("and without an address", bulk("?"), vec![], None),
        ];
        for (what, host, more, expected) in rows {
            let view = read(vec![row(0, 5, host, 7000, more)], INFO).expect(what);
            let found = view.ranges.first().map(|range| range.endpoint.to_string());
            assert_eq!(found.as_deref(), expected, "{what}");
        }
    }

    #[test]
    fn slots_epoch_and_state_are_read() {
        let view =
            read(vec![row(0, 5, bulk("h"), 1, vec![]), row(7, 16383, bulk("h"), 2, vec![])], INFO);
        let view = view.expect("a view");
        assert_eq!((view.epoch, view.is_ok), (12, true));
        let ranges: Vec<_> = view.ranges.iter().map(|r| (r.first, r.last)).collect();
        assert_eq!(ranges, [(0, 5), (7, 16383)]);
        let failed = read(vec![], "cluster_state:fail\r\ncluster_current_epoch:3\r\n");
        assert_eq!(failed, Ok(ClusterView { epoch: 3, is_ok: false, ranges: vec![] }));
        assert_eq!(read(vec![row(0, 5, bulk("h"), 0, vec![])], INFO).expect("read").ranges, []);
    }

    #[test]
    fn replies_of_another_shape_are_refused() {
        let good = || row(0, 5, bulk("h"), 1, vec![]);
        let rows: Vec<(&str, Vec<Value>, &str)> = vec![
            ("no epoch", vec![good()], "cluster_state:ok\r\n"),
            ("no row", vec![Value::Nil], INFO),
            ("a slot that does not exist", vec![row(0, 16384, bulk("h"), 1, vec![])], INFO),
            ("a negative slot", vec![row(-1, 5, bulk("h"), 1, vec![])], INFO),
            ("slots in the wrong order", vec![row(6, 5, bulk("h"), 1, vec![])], INFO),
            ("a port that does not exist", vec![row(0, 5, bulk("h"), 65536, vec![])], INFO),
            ("a host that is no text", vec![row(0, 5, Value::Int(1), 1, vec![])], INFO),
        ];
        for (what, rows, info) in rows {
            assert_eq!(read(rows, info), Err(UnexpectedReply), "{what}");
        }
        assert!(ClusterView::read(&Value::Nil, &bulk(INFO), &asked()).is_err());
    }

    #[test]
    fn the_newest_view_of_a_cluster_in_order_is_believed() {
        let view = |epoch, is_ok| ClusterView { epoch, is_ok, ranges: vec![] };
        let rows: &[(&str, &[(u64, bool)], Option<(u64, bool)>)] = &[
            ("nobody answered", &[], None),
            ("one that was cut off has an older epoch", &[(7, true), (9, true)], Some((9, true))),
            ("or finds nothing in order", &[(9, false), (7, true)], Some((7, true))),
            ("all of it is down", &[(7, false), (8, false)], Some((8, false))),
        ];
        for (what, views, expected) in rows {
            let views = views.iter().map(|(epoch, is_ok)| view(*epoch, *is_ok)).collect();
            assert_eq!(best(views), expected.map(|(epoch, is_ok)| view(epoch, is_ok)), "{what}");
        }
    }
}
