//! Settings of the HTTP API: the keys of an application's servers, and what one of them may do.

use std::fs::File;
use std::io::Read;

use clap::Args;

use crate::auth::ApiKeys;
use crate::config::values::Mistakes;

/// Bytes of the file of keys.
const FILE_MAX: u64 = 1 << 20;

/// The flags.
#[derive(Args, Debug)]
pub(super) struct ApiArgs {
    /// File with the API keys of the application's servers, which act as the backend on /v1: lines
    /// name:key, with keys of at least 32 bytes, or name:sha256:hex; read again at SIGHUP
    #[arg(long, env = "CHAT_RELAY_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<String>,
    /// Most operations per second of one API key on this relay
    #[arg(long, env = "CHAT_RELAY_API_OPS", default_value = "1000", value_name = "N")]
    api_ops: String,
}

/// Checked settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Api {
    /// The file of keys, as it was at the start.
    pub(crate) keys: ApiKeys,
    /// Where it is. `None`: there are no keys.
    pub(crate) file: Option<String>,
    /// Operations per second of one key.
    pub(crate) operations_per_second: u32,
}

impl ApiArgs {
    pub(super) fn check(self, mistakes: &mut Mistakes) -> Api {
        let file = self.api_key_file.filter(|path| !path.is_empty());
        let keys = file.as_deref().map(api_keys);
        Api {
            keys: match keys {
                None => ApiKeys::default(),
                Some(Ok(keys)) => keys,
                Some(Err(why)) => {
                    mistakes.add("--api-key-file", why);
                    ApiKeys::default()
                }
            },
            file,
            operations_per_second: mistakes.number("--api-ops", &self.api_ops, 1),
        }
    }
}

/// Reads a file of API keys. The error names the file, and holds nothing of a key.
pub(crate) fn api_keys(path: &str) -> Result<ApiKeys, String> {
    let contents = contents(path).map_err(|error| format!("{path}: {error}"))?;
    ApiKeys::parse(&contents).map_err(|why| format!("{path}: {why}"))
}

fn contents(path: &str) -> std::io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > FILE_MAX {
        return Err(std::io::Error::other("more than 1 MiB"));
    }
    Ok(contents)
}
