//! `chat-relay token`: makes a token for trying out, signed with the secret of `--jwt-secret-file`.
//!
//! What it prints is verified first, by the rules of a relay: a token that a relay with the same
//! secret, issuer and audience would refuse is not printed. An application makes its tokens itself.

use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use chat_protocol::names;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

use crate::auth::{self, Rules, Scopes, TOKEN_MAX, Verifier};
use crate::config::{Args, Mistakes, read_key_file, without_empty};

pub(super) const NAME: &str = "token";

/// Makes a token for trying out, signed with a relay's secret.
#[derive(Parser, Debug)]
#[command(name = NAME)]
pub(super) struct TokenArgs {
    /// A relay's file with settings, for its secret, issuer, audience and names of claims
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// The file with the secret: the relay's --jwt-secret-file
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    secret_file: Option<String>,
    /// The user whom the token names
    #[arg(long, value_name = "NAME")]
    user: String,
    /// What the token lets its user do: chat:read, chat:send, chat:create, chat:moderate,
    /// chat:backend; several by commas or spaces. Without it: the first four
    #[arg(long, value_name = "SCOPE", num_args = 1.., value_delimiter = ',')]
    scope: Vec<String>,
    /// The time until the token expires, like 90s, 15m, 1h
    #[arg(long, default_value = "1h", value_name = "TIME")]
    ttl: String,
    /// The claim `iss`: the relay's --jwt-issuer
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
    /// The claim `aud`: the relay's --jwt-audience
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// The rooms that the token is for, as patterns like team-*; several by commas. Without it: all
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    rooms: Vec<String>,
    /// The name that others see: the claim `name`
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// How the token is signed: HS256, HS384 or HS512
    #[arg(long, default_value = "HS256", value_name = "ALGORITHM")]
    algorithm: String,
}

/// An algorithm of secrets. By RFC 7518, section 3.2, the secret is at least as long as the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Hmac {
    Hs256,
    Hs384,
    Hs512,
}

impl Hmac {
    fn algorithm(self) -> Algorithm {
        match self {
            Hmac::Hs256 => Algorithm::HS256,
            Hmac::Hs384 => Algorithm::HS384,
            Hmac::Hs512 => Algorithm::HS512,
        }
    }

    /// Bytes of a secret.
    fn least(self) -> usize {
        match self {
            Hmac::Hs256 => 32,
            Hmac::Hs384 => 48,
            Hmac::Hs512 => 64,
        }
    }
}

/// The flags of the subcommand.
pub(super) fn command() -> clap::Command {
    TokenArgs::command()
}

/// Prints the token. Exit code 2: it would not be good.
pub(super) fn run(args: TokenArgs) -> ExitCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match args.sign(now.as_secs()) {
        Ok(token) => match writeln!(std::io::stdout(), "{token}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(mistakes) => {
            let _ = writeln!(
                std::io::stderr(),
                "chat-relay token: {}",
                mistakes.join("\nchat-relay token: ")
            );
            ExitCode::from(2)
        }
    }
}

impl TokenArgs {
    /// What was given of them.
    pub(super) fn from_matches(matches: &clap::ArgMatches) -> Result<TokenArgs, clap::Error> {
        TokenArgs::from_arg_matches(matches)
    }

    /// The token, signed at `now`, in seconds since the Unix epoch. The error lists every mistake
    /// with its flag, and holds no part of the secret.
    fn sign(mut self, now: u64) -> Result<String, Vec<String>> {
        let config = self.config.as_deref().map(Args::of_file);
        let (mut file, told) = config.unwrap_or_default();
        let mut mistakes = Mistakes(told);
        let mut setting = |name: &str| file.remove(name)?.into_iter().next();
        self.issuer = self.issuer.or_else(|| setting("jwt-issuer"));
        self.audience = self.audience.or_else(|| setting("jwt-audience"));
        let mut rules = Rules {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            ..Rules::default()
        };
        rules.user_claim = setting("jwt-user-claim").unwrap_or(rules.user_claim);
        rules.chat_claim = setting("jwt-claim").unwrap_or(rules.chat_claim);
        let path = self.secret_file.take().or_else(|| setting("jwt-secret-file"));
        let Some(path) = &path else {
            mistakes.add("--secret-file", "needed: the file of --config names none");
            return Err(mistakes.0);
        };
        let hmac: Option<Hmac> = mistakes.choice("--algorithm", &self.algorithm);
        let hmac = hmac.unwrap_or(Hmac::Hs256);
        let file = read_key_file(path)
            .map_err(|error| mistakes.add("--secret-file", format_args!("{path}: {error}")))
            .ok();
        let secret = file.as_deref().and_then(|file| match auth::secret_of(file) {
            Ok(secret) if secret.len() >= hmac.least() => Some(secret),
            Ok(_) => {
                let (name, least) = (&self.algorithm, hmac.least());
                let why = format_args!("{path}: {name} needs a secret of at least {least} bytes");
                mistakes.add("--secret-file", why);
                None
            }
            Err(why) => {
                mistakes.add("--secret-file", format_args!("{path}: {why}"));
                None
            }
        });
        let claims = self.claims(now, &rules, &mut mistakes);
        let Some(secret) = secret.filter(|_| mistakes.0.is_empty()) else {
            return Err(mistakes.0);
        };
        let key = EncodingKey::from_secret(secret);
        let token = jsonwebtoken::encode(&Header::new(hmac.algorithm()), &claims, &key)
            .map_err(|error| vec![format!("the token cannot be signed: {error}")])?;
        let keys = file.as_deref().and_then(|file| auth::secret_key(file).ok());
        match Verifier::new(keys.into_iter().collect(), rules).verify(&token, now) {
            Ok(_) => Ok(token),
            Err(_) if token.len() > TOKEN_MAX => {
                Err(vec![format!("a token has at most {TOKEN_MAX} bytes")])
            }
            Err(error) => Err(vec![format!("relays would refuse this token: {}", error.reason())]),
        }
    }

    fn claims(&self, now: u64, rules: &Rules, mistakes: &mut Mistakes) -> Map<String, Value> {
        if !names::is_user(&self.user) {
            mistakes.add(
                "--user",
                "no user can have this name: 1 to 96 bytes without spaces, commas, control and \
                 invisible characters, not beginning with @, and not *",
            );
        }
        let ttl = mistakes.time("--ttl", &self.ttl, 1000);
        let mut claims = Map::new();
        claims.insert(rules.user_claim.clone(), json!(self.user));
        claims.insert("iat".to_owned(), json!(now));
        claims.insert("exp".to_owned(), json!(now.saturating_add(ttl.as_secs())));
        let scopes: Vec<&str> =
            self.scope.iter().flat_map(|words| words.split_ascii_whitespace()).collect();
        for word in &scopes {
            if !Scopes::WORDS.contains(word) {
                let words = Scopes::WORDS.join(", ");
                mistakes.add("--scope", format_args!("{word:?} is none of {words}"));
            }
        }
        if !scopes.is_empty() {
            claims.insert("scope".to_owned(), json!(scopes.join(" ")));
        } else if !self.scope.is_empty() {
            // A token without scopes has all: whoever gives none must not get them.
            mistakes.add("--scope", "no scope is named");
        }
        let rooms = without_empty(self.rooms.clone());
        if !rooms.is_empty() {
            claims.insert(rules.chat_claim.clone(), json!({ "rooms": rooms }));
        } else if !self.rooms.is_empty() {
            mistakes.add("--rooms", "no room is named");
        }
        let texts = [("iss", &self.issuer), ("aud", &self.audience), ("name", &self.name)];
        for (claim, text) in texts {
            if let Some(text) = text {
                claims.insert(claim.to_owned(), json!(text));
            }
        }
        claims
    }
}

#[cfg(test)]
mod tests;
