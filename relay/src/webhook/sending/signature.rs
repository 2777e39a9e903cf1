//! Signatures of Standard Webhooks (<https://www.standardwebhooks.com>).
//!
//! The one idea: a batch's `webhook-id` is a hash of what it carries, so each repeat has the same id,
//! and the receiver that stores ids drops repeats. With two secrets a request carries two
//! signatures, so a receiver changes its secret without refusing a request. Reading the file of
//! secrets is left to others.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::batch::Batch;

const PREFIX: &str = "whsec_";
/// The bytes that the specification asks of a secret.
const SECRET_LENGTH: std::ops::RangeInclusive<usize> = 24..=64;
/// The most secrets: the present one, and the next or the last one.
const SECRETS_MAX: usize = 2;

/// One or two secrets. Its `Debug` does not show them.
pub(crate) struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// Reads one or two lines of `whsec_` and base64. Empty lines are skipped.
    pub(crate) fn parse(text: &str) -> Result<Secrets, &'static str> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        if lines.is_empty() || lines.len() > SECRETS_MAX {
            return Err("a file of secrets has one or two lines");
        }
        let keys = lines.into_iter().map(key).collect::<Result<_, _>>()?;
        Ok(Secrets(keys))
    }

    /// The header `webhook-signature`: one signature for each secret.
    pub(crate) fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let head = format!("{id}.{seconds}.");
        let signed = self.0.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        });
        signed.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

fn key(line: &str) -> Result<hmac::Key, &'static str> {
    let encoded = line.strip_prefix(PREFIX).ok_or("a secret begins with whsec_")?;
    let secret = STANDARD.decode(encoded).map_err(|_| "a secret is base64 after whsec_")?;
    if !SECRET_LENGTH.contains(&secret.len()) {
        return Err("a secret has 24 to 64 bytes");
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

/// The header `webhook-id`: a hash of the rooms and ids of a batch, equal at each repeat.
pub(crate) fn webhook_id(batch: &Batch) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for event in batch.events() {
        // The lengths keep `ab` + `c` apart from `a` + `bc`.
        for part in [&*event.room, &*event.id] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
    }
    let hash = context.finish();
    let hex: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("msg_{hex}")
}

#[cfg(test)]
mod tests {
    use chat_protocol::id::Id;

    use super::super::batch::Event;
    use super::*;
    use crate::webhook::place::Place;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn signatures_are_those_of_the_independent_library() {
        // Made with PyPI `standardwebhooks`: Webhook(SECRET).sign(…).
        let secrets = Secrets::parse(SECRET).expect("it is a secret");
        let body = br#"{"test": 2432232314}"#;
        let found = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(found, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_make_two_signatures() {
        let other = format!("whsec_{}", STANDARD.encode([7; 24]));
        let both = Secrets::parse(&format!("{SECRET}\n\n{other}\n")).expect("they are secrets");
        let one = Secrets::parse(SECRET).expect("it is a secret").sign("a", 1, b"{}");
        let two = Secrets::parse(&other).expect("it is a secret").sign("a", 1, b"{}");
        assert_eq!(both.sign("a", 1, b"{}"), format!("{one} {two}"));
        assert_ne!(one, two);
        assert_eq!(format!("{both:?}"), "Secrets(2)");
    }

    #[test]
    fn what_is_no_file_of_secrets_is_refused_without_showing_it() {
        let rows = [
            ("", "a file of secrets has one or two lines"),
            ("\n \n", "a file of secrets has one or two lines"),
            (&*[SECRET; 3].join("\n"), "a file of secrets has one or two lines"),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a secret begins with whsec_"),
            ("whsec_?", "a secret is base64 after whsec_"),
            ("whsec_c2hvcnQ=", "a secret has 24 to 64 bytes"),
            (&*format!("whsec_{}", STANDARD.encode([7; 65])), "a secret has 24 to 64 bytes"),
        ];
        for (text, refusal) in rows {
            assert_eq!(Secrets::parse(text).err(), Some(refusal), "{text}");
        }
    }

    #[test]
    fn the_id_is_equal_at_each_repeat_and_tells_batches_apart() {
        let batch = |pairs: &[(&str, &str)]| {
            let mut batch = Batch::default();
            for (room, id) in pairs {
                let (room, id) = ((*room).into(), (*id).to_owned());
                let (after, next) = (Id::ZERO, Place::At(Id::ZERO));
                batch.add(&Event { room, id, after, next, json: "{}".into() });
            }
            batch
        };
        let id = webhook_id(&batch(&[("a", "1-1"), ("b", "1-1")]));
        assert_eq!(id, webhook_id(&batch(&[("a", "1-1"), ("b", "1-1")])));
        assert_eq!(id.len(), 36);
        for other in [&[("a", "1-1")][..], &[("a1", "-1"), ("b", "1-1")], &[("b", "1-1")]] {
            assert_ne!(id, webhook_id(&batch(other)), "{other:?}");
        }
    }
}
