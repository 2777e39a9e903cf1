//! The flags about Redis, and whether they fit together.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::Args;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::config::servers::address;
use crate::config::servers::endpoint::Servers;
use crate::config::servers::login::{Login, Password};
use crate::config::servers::tls_files::TlsFiles;
use crate::config::values::Mistakes;

/// The flags.
#[derive(Args, Debug)]
#[allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::bare_urls,
    reason = "the comments of the fields are the texts of --help"
)]
pub(in crate::config) struct RedisArgs {
    /// Redis with the chat module: redis://[user[:password]@]host[:port], with several hosts, by
    /// commas, of a cluster; redis+sentinel://…/master-name by way of sentinels; rediss for TLS
    #[arg(
        long,
        env = "CHAT_RELAY_REDIS",
        default_value = "redis://127.0.0.1:6379",
        value_name = "URL",
        hide_env_values = true
    )]
    redis: UrlText,
    /// User of Redis, if --redis names none
    #[arg(long, env = "CHAT_RELAY_REDIS_USER", value_name = "NAME")]
    redis_user: Option<String>,
    /// File with the password of Redis; read again whenever the relay connects
    #[arg(long, env = "CHAT_RELAY_REDIS_PASSWORD_FILE", value_name = "FILE")]
    redis_password_file: Option<String>,
    /// User of the sentinels, if --redis names none
    #[arg(long, env = "CHAT_RELAY_SENTINEL_USER", value_name = "NAME")]
    sentinel_user: Option<String>,
    /// File with the password of the sentinels
    #[arg(long, env = "CHAT_RELAY_SENTINEL_PASSWORD_FILE", value_name = "FILE")]
    sentinel_password_file: Option<String>,
    /// PEM file with the authorities that certificates of Redis must come from; without it, those
    /// that this system trusts
    #[arg(long, env = "CHAT_RELAY_REDIS_CA", value_name = "FILE")]
    redis_ca: Option<String>,
    /// PEM file with the relay's own certificate, for a Redis that asks for one
    #[arg(long, env = "CHAT_RELAY_REDIS_CERT", value_name = "FILE")]
    redis_cert: Option<String>,
    /// PEM file with the key of --redis-cert
    #[arg(long, env = "CHAT_RELAY_REDIS_KEY", value_name = "FILE")]
    redis_key: Option<String>,
    /// Name that certificates of all servers must have, in place of the host that is dialled
    #[arg(long, env = "CHAT_RELAY_REDIS_SERVER_NAME", value_name = "NAME")]
    redis_server_name: Option<String>,
}

/// The text of a URL, which can have a password in it.
#[derive(Clone)]
struct UrlText(String);

impl FromStr for UrlText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<UrlText, Infallible> {
        Ok(UrlText(text.to_owned()))
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Checked settings.
#[derive(Clone, Debug)]
pub(crate) struct RedisSettings {
    /// Where to begin.
    pub(crate) servers: Servers,
    /// The login of Redis, the same on all nodes.
    pub(crate) login: Login,
    /// The login of the sentinels.
    pub(crate) sentinel_login: Login,
    /// `None`: connections are not encrypted.
    pub(crate) tls: Option<TlsFiles>,
}

/// Reads a URL that stands alone, with the files of certificates of `like`, if it is given.
pub(crate) fn redis_settings(
    text: &str,
    like: Option<&RedisSettings>,
) -> Result<RedisSettings, String> {
    let address = address::parse(text).map_err(|mistakes| mistakes.join("; "))?;
    if matches!(address.servers, Servers::Sentinel { .. }) {
        return Err("an address of Redis itself, not of sentinels".to_owned());
    }
    let sentinel_login = Login { user: None, password: Password::None };
    let files = like.and_then(|like| like.tls.clone()).unwrap_or_default();
    let tls = address.has_tls.then_some(files);
    Ok(RedisSettings { servers: address.servers, login: address.login, sentinel_login, tls })
}

impl RedisArgs {
    /// Checks everything.
    pub(in crate::config) fn check(self, mistakes: &mut Mistakes) -> RedisSettings {
        let address = match address::parse(&self.redis.0) {
            Ok(address) => Some(address),
            Err(found) => {
                found.iter().for_each(|why| mistakes.add("--redis", why));
                None
            }
        };
        let is_sentinel =
            matches!(&address, Some(found) if matches!(found.servers, Servers::Sentinel { .. }));
        let nobody = || Login { user: None, password: Password::None };
        let of_url = address.as_ref().map_or_else(nobody, |found| found.login.clone());
        // A URL with sentinels has their login: they are the servers that it names.
        let (of_redis, of_sentinels) =
            if is_sentinel { (nobody(), of_url) } else { (of_url, nobody()) };
        let login = LoginFlags {
            user: ("--redis-user", given(self.redis_user)),
            file: ("--redis-password-file", given(self.redis_password_file)),
        };
        let login = login.check(of_redis, mistakes);
        let sentinel_login = LoginFlags {
            user: ("--sentinel-user", given(self.sentinel_user)),
            file: ("--sentinel-password-file", given(self.sentinel_password_file)),
        };
        if address.is_some() && !is_sentinel {
            for flag in sentinel_login.given() {
                mistakes.add(flag, "only with an address redis+sentinel://");
            }
        }
        let sentinel_login = sentinel_login.check(of_sentinels, mistakes);
        let tls = TlsFlags {
            ca: given(self.redis_ca),
            cert: given(self.redis_cert),
            key: given(self.redis_key),
            server_name: given(self.redis_server_name),
        };
        // A wrong URL hides no mistake in what is given about TLS.
        let has_tls = address.as_ref().map_or_else(|| tls.is_given(), |found| found.has_tls);
        let tls = tls.check(has_tls, mistakes);
        // A harmless address in place of a wrong one, so that the other flags are checked too.
        let servers = address.map_or_else(|| Servers::Seeds(Vec::new()), |found| found.servers);
        RedisSettings { servers, login, sentinel_login, tls }
    }
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A user and a file with a password, and the flags that name them.
struct LoginFlags {
    user: (&'static str, Option<String>),
    file: (&'static str, Option<String>),
}

impl LoginFlags {
    /// The flags that are given.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [&self.user, &self.file].into_iter().filter(|(_, value)| value.is_some()).map(|flag| flag.0)
    }

    /// Completes the login of the URL.
    fn check(self, of_url: Login, mistakes: &mut Mistakes) -> Login {
        let mut login = of_url;
        if let (flag, Some(user)) = self.user {
            if login.user.is_some() {
                mistakes.add(flag, "--redis names a user too");
            } else if user.bytes().any(|byte| byte == 0 || byte.is_ascii_whitespace()) {
                mistakes.add(flag, "no user of Redis has such a name");
            }
            login.user = Some(user);
        }
        if let (flag, Some(path)) = self.file {
            if login.password != Password::None {
                mistakes.add(flag, "--redis has a password too");
            }
            login.password = Password::File(path);
            if let Err(why) = login.read() {
                mistakes.add(flag, why);
            }
        }
        login
    }
}

/// What is given about TLS.
struct TlsFlags {
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    server_name: Option<String>,
}

impl TlsFlags {
    fn is_given(&self) -> bool {
        [&self.ca, &self.cert, &self.key, &self.server_name].into_iter().any(Option::is_some)
    }

    fn check(self, is_on: bool, mistakes: &mut Mistakes) -> Option<TlsFiles> {
        if !is_on {
            let flags = [
                ("--redis-ca", self.ca.is_some()),
                ("--redis-cert", self.cert.is_some()),
                ("--redis-key", self.key.is_some()),
                ("--redis-server-name", self.server_name.is_some()),
            ];
            for (flag, _) in flags.iter().filter(|(_, is_given)| *is_given) {
                mistakes.add(flag, "only with TLS: an address rediss:// or rediss+sentinel://");
            }
            return None;
        }
        let server_name = self.server_name.and_then(|name| {
            let name = ServerName::try_from(name).map_err(|_| ());
            name.map_err(|()| mistakes.add("--redis-server-name", "not a name of a server")).ok()
        });
        match (&self.cert, &self.key) {
            (Some(_), None) => mistakes.add("--redis-key", "required with --redis-cert"),
            (None, Some(_)) => mistakes.add("--redis-cert", "required with --redis-key"),
            _ => {}
        }
        let files = TlsFiles { ca: self.ca, certificate: self.cert.zip(self.key), server_name };
        if let Err(found) = files.read() {
            found.into_iter().for_each(|(flag, why)| mistakes.add(flag, why));
        }
        Some(files)
    }
}

#[cfg(test)]
mod tests;
