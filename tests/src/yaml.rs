//! YAML as JSON.

use serde_json::{Map, Number, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// The documents of a text.
///
/// # Panics
/// If it is no YAML, or has what JSON has not.
#[track_caller]
pub fn documents(text: &str) -> Vec<Value> {
    YamlLoader::load_from_str(text).expect("YAML").iter().map(json).collect()
}

fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => text.as_str().into(),
        Yaml::Integer(number) => (*number).into(),
        Yaml::Real(_) => yaml.as_f64().and_then(Number::from_f64).expect("a number").into(),
        Yaml::Boolean(is) => (*is).into(),
        Yaml::Null => Value::Null,
        Yaml::Array(list) => list.iter().map(json).collect(),
        Yaml::Hash(members) => {
            let name = |name: &Yaml| name.as_str().expect("a name").to_owned();
            let members = members.iter().map(|(key, value)| (name(key), json(value)));
            members.collect::<Map<_, _>>().into()
        }
        Yaml::Alias(_) | Yaml::BadValue => panic!("{yaml:?}"),
    }
}
