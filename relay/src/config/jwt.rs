//! The settings of `--auth jwt`: where keys are, what claims must say, what may carry a token.
//!
//! Keys are read here, so that a key that is missing, weak or of a wrong kind is a mistake at start
//! like any other. No message holds any part of a key.

use clap::Args;

use crate::auth::{self, Rules, ServiceUrl, Verifier};
use crate::config::key_files::KeyFiles;
use crate::config::origins::AllowedOrigins;
use crate::config::values::{Mistakes, without_empty};

/// The flags as they are given.
#[derive(Args, Debug)]
pub(super) struct JwtArgs {
    /// Files with one secret each, of at least 32 bytes: HS256, HS384, HS512
    #[arg(long, env = "CHAT_RELAY_JWT_SECRET_FILE", value_delimiter = ',', value_name = "FILE")]
    jwt_secret_file: Vec<String>,
    /// PEM files with public keys: RS256-512, PS256-512, ES256, ES384, EdDSA
    #[arg(long, env = "CHAT_RELAY_JWT_KEY_FILE", value_delimiter = ',', value_name = "FILE")]
    jwt_key_file: Vec<String>,
    /// JSON Web Key Sets: files, and at most one https address; needs --jwt-issuer and --jwt-audience
    #[arg(long, env = "CHAT_RELAY_JWT_JWKS", value_delimiter = ',', value_name = "FILE|URL")]
    jwt_jwks: Vec<String>,
    /// What the claim `iss` of a token must be
    #[arg(long, env = "CHAT_RELAY_JWT_ISSUER", value_name = "TEXT")]
    jwt_issuer: Option<String>,
    /// What the claim `aud` of a token must be or contain
    #[arg(long, env = "CHAT_RELAY_JWT_AUDIENCE", value_name = "TEXT")]
    jwt_audience: Option<String>,
    /// The claim that names the user
    #[arg(long, env = "CHAT_RELAY_JWT_USER_CLAIM", default_value = "sub", value_name = "CLAIM")]
    jwt_user_claim: String,
    /// The claim with what is about chat: rooms, dm, watch, meta
    #[arg(long, env = "CHAT_RELAY_JWT_CLAIM", default_value = "chat", value_name = "CLAIM")]
    jwt_claim: String,
    /// Accept tokens without the claim `exp`, which never expire
    #[arg(
        long,
        env = "CHAT_RELAY_JWT_ALLOW_NO_EXP",
        num_args = 0..=1,
        require_equals = true,
        default_value = "no",
        default_missing_value = "yes",
        value_name = "yes|no"
    )]
    jwt_allow_no_exp: String,
    /// Accept tokens from the cookie of this name; needs --allowed-origin
    #[arg(long, env = "CHAT_RELAY_JWT_COOKIE", value_name = "NAME")]
    jwt_cookie: Option<String>,
    /// Accept tokens from the query ?access_token=, which proxies and logs may keep
    #[arg(
        long,
        env = "CHAT_RELAY_JWT_QUERY",
        num_args = 0..=1,
        require_equals = true,
        default_value = "no",
        default_missing_value = "yes",
        value_name = "yes|no"
    )]
    jwt_query: String,
    /// Write the claims `name` and `picture` to the user's profile at login
    #[arg(
        long,
        env = "CHAT_RELAY_JWT_PROFILE",
        num_args = 0..=1,
        require_equals = true,
        default_value = "no",
        default_missing_value = "yes",
        value_name = "yes|no"
    )]
    jwt_profile: String,
    /// Let tokens with the scope chat:backend act as the backend over HTTP. Only if no client can get
    /// this scope from the issuer by asking for it
    #[arg(
        long,
        env = "CHAT_RELAY_JWT_BACKEND",
        num_args = 0..=1,
        require_equals = true,
        default_value = "no",
        default_missing_value = "yes",
        value_name = "yes|no"
    )]
    jwt_backend: String,
}

/// Checked settings of tokens.
#[derive(Debug)]
pub(crate) struct Jwt {
    /// The rules, and the keys that the files had at start.
    pub(crate) verifier: Verifier,
    /// The files of keys.
    pub(crate) files: KeyFiles,
    /// Where further keys are fetched from.
    pub(crate) url: Option<ServiceUrl>,
    /// The cookie that may carry a token.
    pub(crate) cookie: Option<String>,
    /// Whether the query may carry one.
    pub(crate) query: bool,
    /// Whether names and pictures are written to profiles.
    pub(crate) profile: bool,
}

impl JwtArgs {
    /// Checks all flags. `is_on`: whether `--auth jwt` is given.
    pub(super) fn check(
        self,
        is_on: bool,
        guests: Option<usize>,
        origins: &AllowedOrigins,
        mistakes: &mut Mistakes,
    ) -> Jwt {
        let allow_no_exp = mistakes.switch("--jwt-allow-no-exp", &self.jwt_allow_no_exp);
        let query = mistakes.switch("--jwt-query", &self.jwt_query);
        let profile = mistakes.switch("--jwt-profile", &self.jwt_profile);
        let backend_scope = mistakes.switch("--jwt-backend", &self.jwt_backend);
        let lists = [self.jwt_secret_file, self.jwt_key_file, self.jwt_jwks].map(without_empty);
        let given = [
            ("--jwt-secret-file", !lists[0].is_empty()),
            ("--jwt-key-file", !lists[1].is_empty()),
            ("--jwt-jwks", !lists[2].is_empty()),
            ("--jwt-issuer", self.jwt_issuer.is_some()),
            ("--jwt-audience", self.jwt_audience.is_some()),
            ("--jwt-user-claim", self.jwt_user_claim != "sub"),
            ("--jwt-claim", self.jwt_claim != "chat"),
            ("--jwt-allow-no-exp", allow_no_exp),
            ("--jwt-cookie", self.jwt_cookie.is_some()),
            ("--jwt-query", query),
            ("--jwt-profile", profile),
            ("--jwt-backend", backend_scope),
        ];
        if !is_on {
            for (flag, _) in given.iter().filter(|(_, is_given)| *is_given) {
                mistakes.add(flag, "only with --auth jwt");
            }
        } else if lists.iter().all(Vec::is_empty) {
            mistakes.add("--auth", "jwt needs --jwt-secret-file, --jwt-key-file or --jwt-jwks");
        }
        if !lists[2].is_empty() {
            let why = "required with --jwt-jwks: others may have tokens of the same keys";
            if self.jwt_issuer.is_none() {
                mistakes.add("--jwt-issuer", why);
            }
            if self.jwt_audience.is_none() {
                mistakes.add("--jwt-audience", why);
            }
        }
        if let Some(name) = &self.jwt_cookie {
            if !auth::is_cookie_name(name) {
                mistakes.add("--jwt-cookie", "no cookie can have this name");
            }
            origins.check_cookies("--jwt-cookie", mistakes);
        }
        let [secrets, pems, sets] = lists;
        let (urls, sets): (Vec<_>, Vec<_>) =
            sets.into_iter().partition(|set| ServiceUrl::looks_like(set));
        let mut url = None;
        for text in &urls {
            url = mistakes.parsed("--jwt-jwks", text, ServiceUrl::parse_of_keys);
        }
        if urls.len() > 1 {
            mistakes.add("--jwt-jwks", "at most one address");
        }
        let files = KeyFiles { secrets, pems, sets };
        let keys = files.read().unwrap_or_else(|found| {
            found.iter().for_each(|(flag, why)| mistakes.add(flag, why));
            Vec::new()
        });
        let rules = Rules {
            issuer: self.jwt_issuer,
            audience: self.jwt_audience,
            user_claim: self.jwt_user_claim,
            chat_claim: self.jwt_claim,
            allow_no_exp,
            has_guests: guests.is_some(),
            backend_scope,
        };
        let verifier = Verifier::new(keys, rules);
        Jwt { verifier, files, url, cookie: self.jwt_cookie, query, profile }
    }
}
