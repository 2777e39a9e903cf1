//! Which tokens are made, and what the mistakes say.

use super::*;
use crate::auth::{Identity, Scope};

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn file(contents: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), contents).expect("written");
    file
}

/// The token that these flags make, and who it names to a relay with the same secret.
fn sign(contents: &[u8], flags: &[&str]) -> Result<Identity, Vec<String>> {
    let secret = file(contents);
    let path = secret.path().to_str().expect("UTF-8");
    let words = ["token", "--secret-file", path].into_iter().chain(flags.iter().copied());
    let args = TokenArgs::try_parse_from(words).expect("known flags");
    let rules =
        Rules { issuer: args.issuer.clone(), audience: args.audience.clone(), ..Rules::default() };
    let token = args.sign(NOW)?;
    let key = auth::secret_key(contents).expect("a secret");
    Ok(Verifier::new(vec![key], rules).verify(&token, NOW).expect("a good token"))
}

#[test]
fn a_token_says_what_the_flags_say() {
    let plain = sign(SECRET, &["--user", "alice"]).expect("a token");
    assert_eq!((&*plain.user, plain.scopes), ("alice", Scopes::ALL));
    assert_eq!((plain.issued_at, plain.expires_at), (Some(NOW), Some(NOW + 3600)));
    assert!(plain.rooms.is_everything());

    let flags = [
        "--user=bob",
        "--scope=chat:read,chat:send",
        "--ttl=90s",
        "--issuer=https://app.example",
        "--audience=chat",
        "--rooms=team-*,lobby",
        "--name=Bob B.",
        "--algorithm=HS512",
    ];
    let full = sign(&[b'x'; 64], &flags).expect("a token");
    assert_eq!((&*full.user, full.name.as_deref()), ("bob", Some("Bob B.")));
    assert!(full.scopes.has(Scope::Read) && full.scopes.has(Scope::Send));
    assert!(!full.scopes.has(Scope::Create) && !full.scopes.has(Scope::Moderate));
    assert_eq!(full.expires_at, Some(NOW + 90));
    let admits = |room: &str| full.rooms.admits("bob", room);
    assert!(admits("team-1") && admits("lobby") && !admits("other"));

    // By spaces, in one word or in several, and with the line break of an editor.
    let secret = [SECRET, b"\n"].concat();
    for scopes in [&["--scope", "chat:read chat:send"][..], &["--scope", "chat:read", "chat:send"]]
    {
        let flags = [&["--user", "alice"], scopes].concat();
        let scopes = sign(&secret, &flags).expect("a token").scopes;
        assert!(scopes.has(Scope::Send) && !scopes.has(Scope::Moderate), "{flags:?}");
    }
}

#[test]
fn the_settings_of_a_relay_say_what_flags_do_not() {
    let secret = file(SECRET);
    let settings = |more: &str| {
        let path = secret.path().to_str().expect("UTF-8");
        file(format!("jwt-secret-file = ['{path}']\nlisten = 'x'\n{more}").as_bytes())
    };
    let sign = |config: &tempfile::NamedTempFile, flags: &[&str]| {
        let path = config.path().to_str().expect("UTF-8");
        let words = ["token", "--user=alice", "--config", path].into_iter();
        TokenArgs::try_parse_from(words.chain(flags.iter().copied())).expect("flags").sign(NOW)
    };
    let config =
        settings("jwt-issuer = 'i'\njwt-audience = 'a'\njwt-user-claim = 'name'\njwt-claim = 'c'");
    let rules = |issuer: &str| Rules {
        issuer: Some(issuer.to_owned()),
        audience: Some("a".to_owned()),
        user_claim: "name".to_owned(),
        chat_claim: "c".to_owned(),
        ..Rules::default()
    };
    let verify = |token: &str, issuer: &str| {
        let key = auth::secret_key(SECRET).expect("a secret");
        Verifier::new(vec![key], rules(issuer)).verify(token, NOW).expect("a good token")
    };
    let token = sign(&config, &["--rooms=lobby"]).expect("a token");
    let identity = verify(&token, "i");
    assert_eq!(&*identity.user, "alice");
    assert!(identity.rooms.admits("alice", "lobby") && !identity.rooms.admits("alice", "other"));
    verify(&sign(&config, &["--issuer=other"]).expect("a token"), "other");

    let told = sign(&file(b"ping = 5"), &[]).expect_err("mistakes").concat();
    assert!(told.contains("line 1: ping: ") && told.contains("--secret-file: "), "{told}");
    let told = sign(&settings("jwt-issuer = 5"), &["--ttl=x"]).expect_err("mistakes").concat();
    assert!(told.contains("jwt-issuer: not a string") && told.contains("--ttl: "), "{told}");
}

#[test]
fn every_mistake_is_named_with_its_flag_and_without_the_secret() {
    let long = ["--rooms=x"; 65].join(",").replace("--rooms=", "");
    let long = format!("--rooms={long}");
    let wide = format!("--name={}", "n".repeat(TOKEN_MAX));
    let pem = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
    let rows: &[(&[u8], &[&str], &[&str], &str)] = &[
        (b"too short a secret", &["--user=a"], &["at least 32 bytes"], "a short secret"),
        (b"", &["--user=a"], &["at least 32 bytes"], "an empty file"),
        (SECRET, &["--user=a", "--algorithm=HS512"], &["at least 64 bytes"], "short for HS512"),
        (SECRET, &["--user=a", "--algorithm=RS256"], &["--algorithm"], "not of secrets"),
        (SECRET, &["--user=a", "--algorithm=none"], &["--algorithm"], "none"),
        (pem, &["--user=a"], &["--secret-file"], "a PEM key"),
        (&[b'x'; (1 << 20) + 1], &["--user=a"], &["more than 1 MiB"], "a huge file"),
        (SECRET, &["--user=*"], &["--user"], "the backend"),
        (SECRET, &["--user=@alice"], &["--user"], "a personal room"),
        (SECRET, &["--user="], &["--user"], "nobody"),
        (SECRET, &["--user=a b"], &["--user"], "a space"),
        (SECRET, &["--user=a", "--ttl=0s"], &["--ttl"], "no time"),
        (SECRET, &["--user=a", "--ttl=forever"], &["--ttl"], "no duration"),
        (SECRET, &["--user=a", "--ttl=25h"], &["--ttl"], "more than a day"),
        (SECRET, &["--user=a", "--scope=chat:admin"], &["--scope", "chat:moderate"], "no scope"),
        (SECRET, &["--user=a", "--scope="], &["--scope"], "an empty scope is not all"),
        (SECRET, &["--user=a", "--rooms=,"], &["--rooms"], "empty rooms are not all"),
        (SECRET, &["--user=a", &long], &["rooms"], "65 patterns"),
        (SECRET, &["--user=a", &wide], &["at most 8192 bytes"], "a token that is too long"),
        (b"short", &["--user=*", "--ttl=x"], &["--secret-file", "--user", "--ttl"], "all at once"),
    ];
    for (secret, flags, expected, why) in rows {
        let said = sign(secret, flags).expect_err(why).join("\n");
        for words in *expected {
            assert!(said.contains(words), "{why}: {said}");
        }
        assert!(!said.contains("too short a secret"), "{said}");
    }
    let words = ["token", "--secret-file", "/nowhere/secret", "--user", "alice"];
    let missing = TokenArgs::try_parse_from(words).expect("known flags").sign(NOW);
    let said = missing.expect_err("no file");
    assert!(said.len() == 1 && said[0].contains("/nowhere/secret: No such file"), "{said:?}");
}
