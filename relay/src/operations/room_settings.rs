//! `room` with `set`: changing a room's settings. Those that are texts are judged where the room is hooked.

use chat_protocol::limits::DESCRIPTION_MAX;
use redis::Value;
use serde_json::value::RawValue;

use crate::client::error::Error;
use crate::client::json;
use crate::client::request::Fields;
use crate::operations::context::Context;
use crate::operations::messages::judged;
use crate::operations::scopes;
use crate::send_hook::Words;
use crate::upstream::commands;

/// Sets what a request asks for. Returns the room's settings as they are then.
pub(super) async fn set(
    context: &Context,
    room: &str,
    fields: &Fields<'_>,
) -> Result<Value, Error> {
    let settings = settings_of(fields)?;
    let make = |settings: &[(&'static str, String)]| {
        let command = commands::set_room(room, settings, context.reader());
        scopes::creating(context, room, command)
    };
    let command = make(&settings);
    let texts: Vec<_> = settings.iter().filter(|(name, _)| TEXTS.contains(name)).collect();
    if texts.is_empty() {
        return context.ask(command).await;
    }
    let question = || {
        let meta: serde_json::Map<String, serde_json::Value> =
            texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into())).collect();
        let words = Words { text: None, meta: Some(json::raw(&meta)) };
        judged::question(context, judged::SET_ROOM, room, words)
    };
    let judged = |words: &Words| {
        let replaced = replaced(&settings, words.meta.as_deref());
        replaced.map(|settings| make(&settings)).ok_or_else(judged::no_verdict)
    };
    judged::ask(context, question, true, command, judged).await
}

/// The settings with the texts that a service has put in their place. `None`: it names others.
fn replaced(
    settings: &[(&'static str, String)],
    texts: Option<&RawValue>,
) -> Option<Vec<(&'static str, String)>> {
    let mut settings = settings.to_vec();
    let texts: Fields<'_> = serde_json::from_str(texts?.get()).ok()?;
    for (name, raw) in texts.iter() {
        let known = settings.iter_mut().find(|(known, _)| *known == name && TEXTS.contains(known));
        known?.1 = json::text(raw).ok()?.into_owned();
    }
    Some(settings)
}

/// The settings that people read.
const TEXTS: [&str; 5] = ["topic", "description", "name", "avatar", "status"];

/// The settings of a room, by the names in `CHAT.ROOM … SET`. Another word in their place could be
/// one of the command's own options.
const SETTINGS: &[&str] = &[
    "access",
    "topic",
    "description",
    "max_text",
    "history_max",
    "room_bytes",
    "history_ttl",
    "log_joins",
    "hook",
    "frozen",
    "slow",
    "name",
    "avatar",
    "status",
    "tokens_after",
];

/// The settings of a request. Each must be known and named once.
fn settings_of(settings: &Fields<'_>) -> Result<Vec<(&'static str, String)>, Error> {
    let mut set = Vec::new();
    let mut left = SETTINGS.to_vec();
    for (name, value) in settings.iter() {
        let Some(place) = left.iter().position(|known| *known == name) else {
            return Err(match SETTINGS.contains(&name) {
                true => Error::invalid("set", "a setting is named twice"),
                false => Error::invalid("field", "no room has such a setting"),
            });
        };
        let known = left.swap_remove(place);
        let value = setting(value)?;
        if value.len() > DESCRIPTION_MAX {
            return Err(Error::invalid(known, "at most 4096 bytes"));
        }
        set.push((known, value));
    }
    match set.is_empty() {
        true => Err(Error::invalid("set", "nothing is set")),
        false => Ok(set),
    }
}

/// A setting's value in the form of the command: text unchanged, numbers as written, yes and no.
fn setting(raw: &str) -> Result<String, Error> {
    let wrong = |_| Error::invalid("set", "values are strings, numbers, true or false");
    match raw {
        "true" => Ok("yes".to_owned()),
        "false" => Ok("no".to_owned()),
        raw if raw.starts_with('"') => Ok(json::text(raw).map_err(wrong)?.into_owned()),
        raw => serde_json::from_str::<u64>(raw).map(|number| number.to_string()).map_err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_are_set() {
        let asked = |settings: &str| {
            let fields: Fields<'_> = serde_json::from_str(settings).expect("an object");
            settings_of(&fields).map_err(|error| (error.code, error.argument))
        };
        let long = format!(r#"{{"description":"{}"}}"#, "x".repeat(4097));
        let rows: &[(&str, &'static str)] = &[
            (r#"{"BY":"*"}"#, "field"),
            (r#"{"topic":"tea","by":"*"}"#, "field"),
            (r#"{"AS":"bob"}"#, "field"),
            (r#"{"NOCREATE":"x"}"#, "field"),
            (r#"{"TOPIC":"x"}"#, "field"),
            (r#"{"":"x"}"#, "field"),
            (r#"{"topic":"a","topic":"b"}"#, "set"),
            (r#"{"topic":["a"]}"#, "set"),
            (r#"{"slow":-1}"#, "set"),
            ("{}", "set"),
            (&long, "description"),
        ];
        for (settings, what) in rows {
            let refused = ("INVALID".into(), Error::invalid(*what, "").argument);
            assert_eq!(asked(settings), Err(refused), "{settings:.40}");
        }
        let fine = asked(r#"{"topic":"BY","frozen":true,"slow":5}"#).expect("settings");
        assert_eq!(fine, [("topic", "BY".into()), ("frozen", "yes".into()), ("slow", "5".into())]);
    }

    #[test]
    fn every_setting_of_the_store_is_known() {
        let table = include_str!("../../../module/room/src/state/settings/table.rs");
        let (_, rows) = table.split_once("\nsettings! {").expect("the table of settings");
        let (rows, _) = rows.split_once("\n}").expect("the end of the table");
        let rows = rows.lines().filter(|line| !line.trim_start().starts_with("//"));
        let names = rows.filter_map(|row| row.split_once(':')?.0.split_whitespace().last());
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let mut known = SETTINGS.to_vec();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn only_texts_of_the_request_are_replaced() {
        let settings = [("topic", "a".to_owned()), ("slow", "5".to_owned())];
        let with = |texts: &str| {
            let texts = RawValue::from_string(texts.to_owned()).expect("JSON");
            replaced(&settings, Some(&texts)).map(|settings| settings[0].1.clone())
        };
        assert_eq!(with(r#"{"topic":"b"}"#).as_deref(), Some("b"));
        assert_eq!(with("{}").as_deref(), Some("a"));
        for wrong in [r#"{"slow":"1"}"#, r#"{"name":"x"}"#, r#"{"topic":1}"#, r#"{"topic":null}"#] {
            assert_eq!(with(wrong), None, "{wrong}");
        }
    }
}
