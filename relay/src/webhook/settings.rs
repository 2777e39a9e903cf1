//! What `chat-relay forward` was asked to do, checked.

use std::time::Duration;

use chat_protocol::event_header::TYPES;
use chat_protocol::glob::Pattern;
use chat_protocol::names;
use clap::ArgMatches;

use crate::auth::ServiceUrl;
use crate::config::Mistakes;

const KINDS: [&str; 3] = ["ordinary", "direct", "personal"];

/// Where a new forwarder begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// With what comes after now.
    Now,
    /// With the oldest event of every room.
    Beginning,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Store where it begins.
    Create(From),
    /// Forward.
    Run,
    /// Send once more what was given up.
    Redrive,
}

/// Which events are forwarded, and in which form.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The forwarder's name.
    pub(crate) name: String,
    /// Only rooms whose names match.
    pub(crate) pattern: Option<(String, Pattern)>,
    /// Only rooms of these kinds: words of `CHAT.CHANGES`.
    pub(crate) kinds: Option<String>,
    /// Only events of these types; empty: of all.
    pub(crate) types: Vec<String>,
    /// Room, type and id only.
    pub(crate) is_bare: bool,
    /// Messages of `CHAT.IMPORT` too.
    pub(crate) with_imported: bool,
}

/// The receiver.
#[derive(Clone, Debug)]
pub(crate) struct WebhookSettings {
    /// Its address.
    pub(crate) url: ServiceUrl,
    /// The file of its secrets.
    pub(crate) secret_file: String,
    /// Requests at a time.
    pub(crate) concurrency: usize,
    /// How long an event is refused before it is given up.
    pub(crate) give_up: Duration,
}

impl Settings {
    /// Whether events of this room are wanted, as far as its name says.
    pub(crate) fn wants_room(&self, room: &str) -> bool {
        self.pattern.as_ref().is_none_or(|(_, pattern)| pattern.matches(room.as_bytes()))
    }

    /// Whether an event is wanted.
    pub(crate) fn wants(&self, kind: &str, is_imported: bool) -> bool {
        let is_listed = self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind);
        is_listed && (self.with_imported || !is_imported)
    }
}

/// What was given of the flags.
pub(crate) struct WebhookArgs(ArgMatches);

impl WebhookArgs {
    /// What was given, if `--to` is the address of an HTTP service.
    pub(crate) fn from_matches(flags: &ArgMatches) -> Option<WebhookArgs> {
        let to = flags.get_one::<String>("to")?;
        (to.starts_with("http:") || to.starts_with("https:")).then(|| WebhookArgs(flags.clone()))
    }

    fn text(&self, name: &str) -> String {
        self.0.get_one::<String>(name).cloned().unwrap_or_default()
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name);
        text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Checks everything. The error lists every mistake.
    pub(crate) fn check(&self) -> Result<(Action, Settings, WebhookSettings), Vec<String>> {
        let mut mistakes = Mistakes(Vec::new());
        let action = match (self.text("action").as_str(), self.text("from").as_str()) {
            ("create", "now") => Action::Create(From::Now),
            ("create", "beginning") => Action::Create(From::Beginning),
            ("create", _) => {
                mistakes.add("--from", "now or beginning");
                Action::Run
            }
            ("redrive", _) => Action::Redrive,
            ("run", _) => Action::Run,
            _ => {
                mistakes.add("the first word", "create, run or redrive");
                Action::Run
            }
        };
        let settings = self.settings(&mut mistakes);
        let webhook = self.webhook(action, &mut mistakes);
        match webhook.filter(|_| mistakes.0.is_empty()) {
            Some(webhook) => Ok((action, settings, webhook)),
            None => Err(mistakes.0),
        }
    }

    fn settings(&self, mistakes: &mut Mistakes) -> Settings {
        let name = self.text("forwarder");
        if !names::is_relay(&name) {
            mistakes.add("NAME", "1 to 32 of a-z A-Z 0-9 _ . -");
        }
        let pattern = self.0.get_one::<String>("match").and_then(|text| {
            let pattern = Pattern::parse(text.as_bytes());
            if pattern.is_err() {
                mistakes.add("--match", "a pattern has at most 200 bytes");
            }
            Some((text.clone(), pattern.ok()?))
        });
        let kinds = self.list("kinds");
        if kinds.iter().any(|kind| !KINDS.contains(&kind.as_str())) {
            mistakes.add("--kinds", format!("of {}", KINDS.join(",")));
        }
        let types = self.list("types");
        if types.iter().any(|kind| !TYPES.contains(&kind.as_str())) {
            mistakes.add("--types", format!("of {}", TYPES.join(",")));
        }
        Settings {
            name,
            pattern,
            kinds: (!kinds.is_empty()).then(|| kinds.join(",")),
            types,
            is_bare: self.0.get_flag("bare"),
            with_imported: self.0.get_flag("imported"),
        }
    }

    fn webhook(&self, action: Action, mistakes: &mut Mistakes) -> Option<WebhookSettings> {
        let url = ServiceUrl::parse(&self.text("to")).map_err(|why| mistakes.add("--to", why));
        let concurrency = match self.text("concurrency").parse() {
            Ok(count @ 1..=256) => count,
            _ => {
                mistakes.add("--concurrency", "a number from 1 to 256");
                1
            }
        };
        let give_up = mistakes.time("--give-up", &self.text("give-up"), 1000);
        let secret_file = self.text("secret-file");
        if secret_file.is_empty() && !matches!(action, Action::Create(_)) {
            mistakes.add("--secret-file", "wanted where --to is an HTTP service");
        }
        Some(WebhookSettings { url: url.ok()?, secret_file, concurrency, give_up })
    }
}
