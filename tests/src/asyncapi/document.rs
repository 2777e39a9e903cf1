//! The document as JSON.

use std::sync::OnceLock;

use serde_json::Value;

use crate::documents::read;
use crate::yaml;

/// `docs/asyncapi.yaml`, read once.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut documents = yaml::documents(&read("docs/asyncapi.yaml"));
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    })
}
