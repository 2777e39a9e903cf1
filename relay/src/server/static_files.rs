//! The page and the JavaScript client, embedded: `/`, `/page/…`, `/styles/…` and `/sdk/…`.
//!
//! Files are served unchanged and revalidated by content. The page may load nothing from elsewhere.
//! It may connect to this relay, to those of `--relay-url` and to the address of `--page-token-url`,
//! which it reads from `/config.json`.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use include_dir::{Dir, include_dir};

use crate::config::{Config, RelayUrl, TokenUrl};

/// The page's modules import the client by a relative path. On disk, the symbolic link
/// `relay/web/sdk` makes the same path valid, for tests and editors.
static FOLDERS: [(&str, Dir<'_>); 3] = [
    ("page", include_dir!("$CARGO_MANIFEST_DIR/web/page")),
    ("styles", include_dir!("$CARGO_MANIFEST_DIR/web/styles")),
    ("sdk", include_dir!("$CARGO_MANIFEST_DIR/../sdk/src")),
];
/// The files beside these folders.
const FILES: [(&str, &[u8]); 2] = [
    ("index.html", include_bytes!("../../web/index.html")),
    ("icon.svg", include_bytes!("../../web/icon.svg")),
];

/// The page's content security policy, and its configuration.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    header: HeaderValue,
    config: String,
}

impl Policy {
    /// A policy that lets the page connect to its own relay and to the addresses of these settings.
    pub(super) fn new(config: &Config) -> Policy {
        let token_url = config.edge.page_token_url.as_ref();
        let origins = config.relay_urls.iter().map(RelayUrl::origin);
        let origins = origins.chain(token_url.and_then(TokenUrl::origin));
        let others: String = origins.map(|origin| format!(" {origin}")).collect();
        let header = format!(
            "default-src 'self'; connect-src 'self'{others}; img-src 'self' data:; object-src 'none'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        );
        let relays: Vec<String> = config.relay_urls.iter().map(RelayUrl::text).collect();
        let mut page = serde_json::json!({ "relays": relays, "auth": config.auth.name() });
        if let Some(url) = token_url {
            page["token_url"] = url.text().into();
        }
        let config = page.to_string();
        // Cannot fail, as the addresses are checked to be plain ASCII. Without them the page
        // connects to its own relay.
        let own = HeaderValue::from_static("default-src 'self'");
        Policy { header: HeaderValue::from_str(&header).unwrap_or(own), config }
    }
}

/// `/config.json`: the other relays, and where the page gets a token.
pub(super) fn config(policy: &Policy) -> Response<Body> {
    let mut response = Response::new(Body::from(policy.config.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The file of this path. `304` if the client has it, `404` if it does not exist.
pub(super) fn file(path: &str, request: &HeaderMap, policy: &Policy) -> Response<Body> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let Some(contents) = embedded(name) else {
        return plain(StatusCode::NOT_FOUND, "not found\n");
    };
    let tag = format!("\"{:016x}\"", fingerprint(contents));
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|tags| tags.to_str().is_ok_and(|tags| tags.contains(&tag)));
    let mut response = if known {
        plain(StatusCode::NOT_MODIFIED, "")
    } else {
        Response::new(Body::from(contents))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.header.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// The contents of an embedded file: `index.html`, `sdk/chat.js`.
fn embedded(name: &str) -> Option<&'static [u8]> {
    let Some((folder, path)) = name.split_once('/') else {
        return FILES.iter().find(|(file, _)| *file == name).map(|(_, contents)| *contents);
    };
    let (_, files) = FOLDERS.iter().find(|(name, _)| *name == folder)?;
    Some(files.get_file(path)?.contents())
}

/// A short answer in plain text.
pub(super) fn plain(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// FNV-1a. The same bytes have the same tag on every relay of one build.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_config;

    fn get(path: &str) -> Response<Body> {
        file(path, &HeaderMap::new(), &Policy::new(&test_config(&[])))
    }

    /// All files of a folder and of the folders in it, by their paths.
    fn all_files(folder: &Dir<'static>) -> Vec<&'static str> {
        let mut names: Vec<_> = folder.files().filter_map(|file| file.path().to_str()).collect();
        names.extend(folder.dirs().flat_map(all_files));
        names
    }

    #[test]
    fn missing_files_and_climbing_paths_are_not_found() {
        let paths = [
            "/nothing.js",
            "/page",
            "/page/",
            "/page/messages",
            "/page/nothing.js",
            "/page/../index.html",
            "/page//app.js",
            "/sdk/../package.json",
            "/tests/text.test.mjs",
            "/../Cargo.toml",
            "/./x",
            "//etc/passwd",
        ];
        for path in paths {
            assert_eq!(get(path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn every_embedded_file_is_served_with_its_content_type() {
        let mut names: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        for (folder, files) in &FOLDERS {
            names.extend(all_files(files).iter().map(|path| format!("{folder}/{path}")));
        }
        for wanted in ["page/app.js", "styles/base.css", "sdk/chat.js", "sdk/room/room.js"] {
            assert!(names.iter().any(|name| name == wanted), "{wanted} is not embedded");
        }
        for name in names {
            let found = get(&format!("/{name}"));
            assert_eq!(found.status(), StatusCode::OK, "{name}");
            assert_ne!(found.headers()[header::CONTENT_TYPE], "application/octet-stream", "{name}");
        }
    }
}
