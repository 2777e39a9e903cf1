//! The page and the JavaScript client, embedded: `/`, `/page-….js`, `/page-….css`, `/emoji.json`,
//! `/licences.txt`, `/sdk.js`. And the operators' page, for another address: `/`, `/ops-….js`,
//! `/ops-….css`.
//!
//! The script and the style sheet of the page bear a fingerprint of their content in their names, and
//! are never asked for again. The others are revalidated by content. The page may load nothing from
//! elsewhere. It may connect to this relay, to those of `--relay-url` and to the address of
//! `--page-token-url`, which it reads from `/config.json`. `/sdk.js` is for pages of other origins too.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::config::{Config, RelayUrl, TokenUrl};

/// An embedded file as it is served.
struct File {
    name: String,
    contents: Bytes,
    compressed: Bytes,
    tag: String,
    caching: Caching,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Caching {
    /// The name changes with the content.
    Immutable,
    Revalidated,
}

const ICON: &[u8] = include_bytes!("../../web/icon.svg");
const LICENCES: &[u8] = include_bytes!("../../web/dist/licences.txt");

/// Those of `--listen`. `npm run bundle` makes those of `dist`.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let script = include_bytes!("../../web/dist/page.js");
    let styles = include_bytes!("../../web/dist/page.css");
    let sdk = include_bytes!("../../../sdk/dist/redis-chat.js");
    let emoji = include_bytes!("../../web/dist/emoji.json");
    let mut files = page("page", include_str!("../../web/index.html"), script, styles);
    files.extend([
        File::new("sdk.js", sdk.to_vec(), Caching::Revalidated),
        File::new("icon.svg", ICON.to_vec(), Caching::Revalidated),
        File::new("emoji.json", emoji.to_vec(), Caching::Revalidated),
        File::new("licences.txt", LICENCES.to_vec(), Caching::Revalidated),
    ]);
    files
});

/// Those of `--listen-ops`.
static OPS_FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let script = include_bytes!("../../web/dist/ops.js");
    let styles = include_bytes!("../../web/dist/ops.css");
    let mut files = page("ops", include_str!("../../web/ops.html"), script, styles);
    files.push(File::new("icon.svg", ICON.to_vec(), Caching::Revalidated));
    files.push(File::new("licences.txt", LICENCES.to_vec(), Caching::Revalidated));
    files
});

/// A page with its script and its style sheet, under names of their content.
fn page(name: &str, index: &str, script: &[u8], styles: &[u8]) -> Vec<File> {
    let script_name = format!("{name}-{:016x}.js", fingerprint(script));
    let styles_name = format!("{name}-{:016x}.css", fingerprint(styles));
    let index = index
        .replace(&format!("dist/{name}.js"), &script_name)
        .replace(&format!("dist/{name}.css"), &styles_name);
    vec![
        File::new("index.html", index.into_bytes(), Caching::Revalidated),
        File::new(&script_name, script.to_vec(), Caching::Immutable),
        File::new(&styles_name, styles.to_vec(), Caching::Immutable),
    ]
}

impl File {
    fn new(name: &str, contents: Vec<u8>, caching: Caching) -> File {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory cannot fail.
        let compressed = encoder.write_all(&contents).and_then(|()| encoder.finish());
        File {
            name: name.to_owned(),
            tag: format!("\"{:016x}\"", fingerprint(&contents)),
            compressed: compressed.unwrap_or_default().into(),
            contents: contents.into(),
            caching,
        }
    }
}

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

/// What the operators' page may do: use what is here, and nothing else.
const OPS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The file of this path. `304` if the client has it, `404` if it does not exist.
pub(super) fn file(path: &str, request: &HeaderMap, policy: &Policy) -> Response<Body> {
    found(&FILES, path, request, &policy.header)
}

/// As [`file()`], of the operators' page.
pub(super) fn ops_file(path: &str, request: &HeaderMap) -> Response<Body> {
    found(&OPS_FILES, path, request, &OPS_POLICY)
}

fn found(files: &[File], path: &str, request: &HeaderMap, policy: &HeaderValue) -> Response<Body> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let Some(file) = files.iter().find(|file| file.name == name) else {
        return plain(StatusCode::NOT_FOUND, "not found\n");
    };
    let known = has_word(request, &header::IF_NONE_MATCH, &file.tag);
    let compress =
        !file.compressed.is_empty() && has_word(request, &header::ACCEPT_ENCODING, "gzip");
    let mut response = match (known, compress) {
        (true, _) => plain(StatusCode::NOT_MODIFIED, ""),
        (false, true) => Response::new(Body::from(file.compressed.clone())),
        (false, false) => Response::new(Body::from(file.contents.clone())),
    };
    let headers = response.headers_mut();
    if compress && !known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    let caching = match file.caching {
        Caching::Immutable => "public, max-age=31536000, immutable",
        Caching::Revalidated => "no-cache",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if name == "sdk.js" {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    if let Ok(tag) = HeaderValue::from_str(&file.tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether one of these headers has a word in it. `gzip;q=0` is not taken for a refusal: nobody sends
/// it, and every client can read it.
fn has_word(request: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    let values = request.get_all(name);
    values.iter().any(|value| value.to_str().is_ok_and(|text| text.contains(word)))
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
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
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
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::config::test_config;

    fn get_with(path: &str, request: &[(header::HeaderName, &str)]) -> Response<Body> {
        let headers = request
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value")));
        file(path, &headers.collect(), &Policy::new(&test_config(&[])))
    }

    fn get(path: &str) -> Response<Body> {
        get_with(path, &[])
    }

    #[test]
    fn missing_files_and_climbing_paths_are_not_found() {
        let paths = [
            "/nothing.js",
            "/page.js",
            "/page-0000000000000000.js",
            "/dist/page.js",
            "/page/app.js",
            "/../index.html",
            "/./sdk.js",
            "/sdk.js/",
            "/../Cargo.toml",
            "//etc/passwd",
        ];
        for path in paths {
            assert_eq!(get(path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn every_file_has_a_content_type_and_a_tag_that_saves_the_next_answer() {
        assert_eq!(FILES.len(), 7);
        for File { name, caching, .. } in FILES.iter() {
            let found = get(&format!("/{name}"));
            let headers = found.headers();
            assert_eq!(found.status(), StatusCode::OK, "{name}");
            assert_ne!(headers[header::CONTENT_TYPE], "application/octet-stream", "{name}");
            let is_kept =
                headers[header::CACHE_CONTROL].to_str().is_ok_and(|it| it.contains("immutable"));
            assert_eq!(is_kept, *caching == Caching::Immutable, "{name}");
            let tag = headers[header::ETAG].to_str().expect("a tag");
            let again = get_with(&format!("/{name}"), &[(header::IF_NONE_MATCH, tag)]);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{name}");
        }
    }

    #[test]
    fn a_page_names_its_script_and_its_styles_by_their_content() {
        for files in [&*FILES, &*OPS_FILES] {
            let index = files.iter().find(|file| file.name == "index.html").expect("the page");
            let text = std::str::from_utf8(&index.contents).expect("UTF-8");
            for file in files.iter().filter(|file| file.caching == Caching::Immutable) {
                assert!(text.contains(&format!("\"{}\"", file.name)), "{}", file.name);
            }
            assert!(!text.contains("dist/"), "a name without its content");
        }
    }

    #[test]
    fn neither_address_has_the_files_of_the_other() {
        let is_own =
            |file: &&File| !["index.html", "icon.svg", "licences.txt"].contains(&&*file.name);
        for file in FILES.iter().filter(is_own) {
            let answer = ops_file(&file.name, &HeaderMap::new());
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{}", file.name);
        }
        for file in OPS_FILES.iter().filter(|file| file.caching == Caching::Immutable) {
            assert_eq!(get(&file.name).status(), StatusCode::NOT_FOUND, "{}", file.name);
            let answer = ops_file(&file.name, &HeaderMap::new());
            let headers = answer.headers();
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], OPS_POLICY, "{}", file.name);
            assert!(headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none(), "{}", file.name);
        }
    }

    #[test]
    fn who_can_read_it_gets_it_compressed_and_all_of_it_is_small() {
        let sum: usize = FILES.iter().map(|file| file.compressed.len()).sum();
        assert!(sum <= 150_000, "{sum} bytes over the wire");
        for file in FILES.iter() {
            let accepted = [(header::ACCEPT_ENCODING, "gzip, deflate, br")];
            let found = get_with(&format!("/{}", file.name), &accepted);
            assert_eq!(found.headers()[header::CONTENT_ENCODING], "gzip");
            let mut text = Vec::new();
            GzDecoder::new(&*file.compressed).read_to_end(&mut text).expect("gzip");
            assert_eq!(text, file.contents, "{}", file.name);
            assert!(
                get(&format!("/{}", file.name)).headers().get(header::CONTENT_ENCODING).is_none()
            );
        }
    }

    #[test]
    fn only_the_client_is_for_other_origins() {
        for file in FILES.iter() {
            let found = get(&format!("/{}", file.name));
            let origin = found.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(origin.is_some(), file.name == "sdk.js", "{}", file.name);
        }
    }
}
