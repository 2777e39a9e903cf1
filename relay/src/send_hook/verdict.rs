//! What the service answers.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::send_hook::question::Words;

/// The most bytes of a reason. What is longer is cut.
const REASON_MAX: usize = 256;

/// What the service says of a question.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It may be stored, with these words in place of the user's own.
    Accepted(Words),
    /// It may not. The sender reads why.
    Rejected(String),
}

#[derive(Deserialize)]
struct Answer {
    accept: Option<bool>,
    reject: Option<String>,
    text: Option<String>,
    meta: Option<Box<RawValue>>,
}

impl Verdict {
    /// Reads the answer to a question with these words. `None`: it does not say what to do.
    pub(super) fn read(body: &[u8], asked: &Words) -> Option<Verdict> {
        let answer: Answer = serde_json::from_slice(body).ok()?;
        match answer {
            Answer { accept: None | Some(false), reject: Some(reason), .. } => {
                Some(Verdict::Rejected(words_of(&reason)))
            }
            Answer { accept: Some(true), reject: None, text, meta } => {
                let meta = meta.filter(|meta| meta.get() != "null");
                let is_fitting = (text.is_none() || asked.text.is_some())
                    && meta.as_ref().is_none_or(|meta| meta.get().starts_with('{'));
                let replaced = Words {
                    text: text.or_else(|| asked.text.clone()),
                    meta: meta.or_else(|| asked.meta.clone()),
                };
                is_fitting.then_some(Verdict::Accepted(replaced))
            }
            _ => None,
        }
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Verdict::Accepted(words) => words.bytes(),
            Verdict::Rejected(reason) => size_of::<Words>() + reason.len(),
        }
    }
}

/// The reason as the sender reads it: one line.
fn words_of(reason: &str) -> String {
    let whole = |(at, c): &(usize, char)| at + c.len_utf8() <= REASON_MAX;
    let kept = reason.char_indices().take_while(whole).map(|(_, c)| c);
    kept.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: Option<&str>, meta: Option<&str>) -> Words {
        let meta = meta.map(|meta| RawValue::from_string(meta.to_owned()).expect("JSON"));
        Words { text: text.map(str::to_owned), meta }
    }

    #[test]
    fn an_answer_accepts_replaces_or_rejects() {
        let asked = words(Some("hi"), Some(r#"{"a":1}"#));
        let rows = [
            (r#"{"accept":true}"#, Some("hi {\"a\":1}")),
            (r#"{"accept":true,"text":"ho"}"#, Some("ho {\"a\":1}")),
            (r#"{"accept":true,"text":"","meta":{"b":2}}"#, Some(" {\"b\":2}")),
            (r#"{"accept":true,"text":null,"meta":null,"more":[1]}"#, Some("hi {\"a\":1}")),
            (r#"{"reject":"no\nlinks"}"#, Some("-no links")),
            (r#"{"accept":false,"reject":""}"#, Some("-")),
            (r#"{"accept":false}"#, None),
            (r#"{"accept":true,"reject":"both"}"#, None),
            (r#"{"accept":true,"meta":[]}"#, None),
            (r#"{"accept":true,"text":1}"#, None),
            (r#"{"accept":"yes"}"#, None),
            ("{}", None),
            ("[]", None),
            ("ok", None),
            ("", None),
        ];
        for (body, expected) in rows {
            let found = Verdict::read(body.as_bytes(), &asked).map(|verdict| match verdict {
                Verdict::Accepted(Words { text, meta }) => {
                    format!("{} {}", text.expect("a text"), meta.expect("an object").get())
                }
                Verdict::Rejected(reason) => format!("-{reason}"),
            });
            assert_eq!(found.as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn nothing_gets_a_text_that_had_none_and_reasons_are_cut() {
        let signal = words(None, Some("{}"));
        assert!(Verdict::read(br#"{"accept":true,"text":"x"}"#, &signal).is_none());
        assert!(Verdict::read(br#"{"accept":true,"meta":{}}"#, &signal).is_some());
        let long = format!(r#"{{"reject":"{}"}}"#, "é".repeat(500));
        let Some(Verdict::Rejected(reason)) = Verdict::read(long.as_bytes(), &signal) else {
            panic!("rejected")
        };
        assert_eq!(reason.len(), REASON_MAX);
    }
}
