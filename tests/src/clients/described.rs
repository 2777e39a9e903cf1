//! The description of a relay's API, with which every request and response of a scenario is compared.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};

use crate::clients::answer::Answer;

/// The document that relays of this build serve.
pub struct Description {
    document: Value,
    /// Names of the schemas that something was compared with.
    met: Mutex<BTreeSet<String>>,
}

impl Description {
    /// The description, which `fetch` reads from a relay the first time.
    pub(crate) fn fetched(fetch: impl FnOnce() -> Answer) -> &'static Description {
        static DESCRIPTION: OnceLock<Description> = OnceLock::new();
        DESCRIPTION.get_or_init(|| Description { document: fetch().ok(), met: Mutex::default() })
    }

    /// Compares a response, and the body of a request that was carried out.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, path: &str, body: &str, answer: &Answer) {
        let is_description = matches!(path, "/v1/openapi.json" | "/v1/asyncapi.yaml");
        let kind = answer.header("content-type").unwrap_or_default();
        let is_problem = kind == "application/problem+json";
        if answer.body.is_empty() || (is_description && !is_problem) {
            return;
        }
        let what = format!("{method} {path}");
        if is_problem {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            return self.compare(&schema, &answer.json(), &what);
        }
        let template = self.template(path).unwrap_or_else(|| panic!("{what} is not described"));
        let operation = &self.document["paths"][template][method.to_lowercase()];
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{what}: {} is not described", answer.status);
        self.compare(&response["content"][kind]["schema"], &answer.json(), &what);
        // Frames may be wrong, each for itself. Other routes ignore a body.
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if let Ok(body) = serde_json::from_str(body)
            && path != "/v1"
            && schema.is_object()
        {
            self.compare(schema, &body, &what);
        }
    }

    /// Compares frames that are sent.
    #[track_caller]
    pub fn check_frames(&self, frames: &Value) {
        let schema = json!({"$ref": "#/components/schemas/Frames"});
        self.compare(&schema, frames, "frames");
    }

    /// Schemas that nothing was compared with.
    pub fn missed(&self) -> Vec<String> {
        let schemas = self.document["components"]["schemas"].as_object().expect("schemas");
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        schemas.keys().filter(|name| !met.contains(*name)).cloned().collect()
    }

    /// The methods and paths.
    pub fn operations(&self) -> BTreeSet<(String, String)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let of = |(path, methods): (&String, &Value)| -> Vec<(String, String)> {
            let methods = methods.as_object().expect("methods");
            methods.keys().map(|method| (method.to_uppercase(), path.clone())).collect()
        };
        paths.iter().flat_map(of).collect()
    }

    /// The described path that this path is one of.
    pub fn template(&self, path: &str) -> Option<&str> {
        let fits = |template: &&String| {
            let mut parts = template.split('/').zip(path.split('/'));
            template.split('/').count() == path.split('/').count()
                && parts.all(|(own, part)| own.starts_with('{') || own == part)
        };
        let paths = self.document["paths"].as_object().expect("paths");
        paths.keys().find(fits).map(String::as_str)
    }

    #[track_caller]
    fn compare(&self, schema: &Value, value: &Value, what: &str) {
        assert!(schema.is_object(), "{what}: no schema for {value}");
        if let Err(error) = self.validator(schema).validate(value) {
            panic!("{what}: {error} at {}: {value}", error.instance_path());
        }
        self.meet(schema, value);
    }

    fn validator(&self, schema: &Value) -> jsonschema::Validator {
        let whole = json!({"allOf": [schema], "components": self.document["components"]});
        jsonschema::validator_for(&whole).expect("a schema")
    }

    /// Notes the schemas that describe a value and its parts.
    fn meet(&self, schema: &Value, value: &Value) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            self.met.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
            let schema = &self.document["components"]["schemas"][name];
            assert!(schema.is_object(), "{reference} is not there");
            return self.meet(schema, value);
        }
        for word in ["oneOf", "anyOf", "allOf"] {
            for schema in schema[word].as_array().into_iter().flatten() {
                if self.validator(schema).is_valid(value) {
                    self.meet(schema, value);
                }
            }
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            let own = &schema["properties"][name];
            let schema = if own.is_object() { own } else { &schema["additionalProperties"] };
            self.meet(schema, value);
        }
        for value in value.as_array().into_iter().flatten() {
            self.meet(&schema["items"], value);
        }
    }
}
