//! Requests whose responses are compared with `/v1/openapi.json`.

use std::collections::BTreeSet;
use std::sync::Mutex;

use chat_tests::clients::http::{Answer, Http};
use serde_json::{Value, json};

/// A client that compares what it sends and gets with the description of the API.
pub(crate) struct Described {
    document: Value,
    met: Mutex<BTreeSet<String>>,
}

impl Described {
    /// By the description that this relay serves.
    pub(crate) fn of(http: &Http) -> Described {
        Described { document: http.get("/v1/openapi.json").ok(), met: Mutex::default() }
    }

    /// Sends a request and compares its body and the response.
    #[track_caller]
    pub(crate) fn call(
        &self,
        http: &Http,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Answer {
        let answer = http.call(method, target, body);
        let path = target.split('?').next().unwrap_or_default();
        let operation = &self.document["paths"][self.template(path)][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{method} {path}: {} is not described", answer.status);
        let kind = answer.header("content-type").unwrap_or_default();
        self.check(&response["content"][kind]["schema"], &answer.json(), target);
        if let Some(body) = body.filter(|_| answer.status == 200) {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            self.check(schema, body, target);
        }
        answer
    }

    /// Schemas that nothing has met.
    pub(crate) fn missed(&self) -> Vec<String> {
        let schemas = self.document["components"]["schemas"].as_object().expect("schemas");
        let met = self.met.lock().expect("no panic");
        schemas.keys().filter(|name| !met.contains(*name)).cloned().collect()
    }

    /// The methods and paths of the description.
    pub(crate) fn operations(&self) -> BTreeSet<(String, String)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let of = |(path, methods): (&String, &Value)| -> Vec<(String, String)> {
            let methods = methods.as_object().expect("methods");
            methods.keys().map(|method| (method.to_uppercase(), path.clone())).collect()
        };
        paths.iter().flat_map(of).collect()
    }

    /// The path of the description that this path is one of.
    pub(crate) fn template(&self, path: &str) -> String {
        let paths = self.document["paths"].as_object().expect("paths");
        let fits = |template: &&String| {
            let parts = template.split('/').zip(path.split('/'));
            template.split('/').count() == path.split('/').count()
                && parts.into_iter().all(|(own, part)| own.starts_with('{') || own == part)
        };
        paths.keys().find(fits).cloned().unwrap_or_else(|| panic!("{path} is not described"))
    }

    #[track_caller]
    fn check(&self, schema: &Value, value: &Value, target: &str) {
        assert!(schema.is_object(), "{target}: no schema for {value}");
        if let Err(error) = self.validator(schema).validate(value) {
            panic!("{target}: {error} at {}: {value}", error.instance_path());
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
            self.met.lock().expect("no panic").insert(name.to_owned());
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
