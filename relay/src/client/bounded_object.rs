//! A reply of many members, bounded in bytes.

use serde::Serialize;

use crate::client::json;
use crate::client::reply::PAGE_BYTES;

/// `{"name":{"key":value,…}}`, and `"more":true` beside `name` if not everything fitted into one
/// reply. Written piece by piece, so that it can stop when it is full.
pub(crate) struct BoundedObject {
    out: String,
    is_full: bool,
}

impl BoundedObject {
    /// An object without members yet.
    pub(crate) fn new(name: &str) -> BoundedObject {
        BoundedObject { out: format!("{{\"{name}\":{{"), is_full: false }
    }

    /// Whether a member did not fit. Then no further member is added.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Adds the member `key`, unless it makes the reply longer than [`PAGE_BYTES`]. The first one
    /// always fits.
    pub(crate) fn add(&mut self, key: &str, value: &impl Serialize) {
        if self.is_full {
            return;
        }
        let before = self.out.len();
        let is_first = self.out.ends_with('{');
        if !is_first {
            self.out.push(',');
        }
        json::append(&mut self.out, key);
        self.out.push(':');
        json::append(&mut self.out, value);
        // The brace before the name does not count.
        if self.out.len() - 1 > PAGE_BYTES && !is_first {
            self.out.truncate(before);
            self.is_full = true;
        }
    }

    /// The JSON text.
    pub(crate) fn finish(mut self) -> String {
        self.out.push_str(if self.is_full { "},\"more\":true}" } else { "}}" });
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_takes_members_until_it_is_full() {
        let mut object = BoundedObject::new("a");
        let text = |length: usize| json::raw(&"1".repeat(length - 2));
        for (key, length) in [("x", 3), ("y", PAGE_BYTES - 50), ("z", 50), ("late", 3)] {
            object.add(key, &text(length));
        }
        assert!(object.is_full());
        let long = text(PAGE_BYTES - 50);
        assert_eq!(object.finish(), format!(r#"{{"a":{{"x":"1","y":{long}}},"more":true}}"#));
        let mut one = BoundedObject::new("a");
        let long = text(PAGE_BYTES * 2);
        one.add("x", &long);
        assert_eq!(one.finish(), format!(r#"{{"a":{{"x":{long}}}}}"#), "one always fits");
    }
}
