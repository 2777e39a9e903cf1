use super::*;

fn frame(method: &str, target: &str, body: &str) -> Result<String, Problem> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    find(method, path)?.frame(query, body, "alice", None)
}

#[test]
fn each_route_is_a_frame() {
    let rows: &[(&str, &str, &str, &str)] = &[
        ("GET", "rooms", "", r#"{"op":"rooms"}"#),
        ("HEAD", "rooms", "", r#"{"op":"rooms"}"#),
        (
            "GET",
            "rooms?match=a*&cursor=x%20y&count=5",
            "",
            r#"{"op":"rooms","match":"a*","cursor":"x y","count":5}"#,
        ),
        ("GET", "rooms?count=many", "", r#"{"op":"rooms","count":"many"}"#),
        ("GET", "rooms?count=007", "", r#"{"op":"rooms","count":"007"}"#),
        ("GET", "rooms?count=", "", r#"{"op":"rooms","count":""}"#),
        ("GET", "rooms?other=1&access_token=x", "", r#"{"op":"rooms"}"#),
        ("GET", "rooms/lobby", "", r#"{"op":"room","room":"lobby"}"#),
        ("GET", "rooms/a%2Fb%22", "", r#"{"op":"room","room":"a/b\""}"#),
        (
            "PATCH",
            "rooms/lobby",
            r#"{"topic":"tea"}"#,
            r#"{"op":"room","room":"lobby","set":{"topic":"tea"}}"#,
        ),
        (
            "GET",
            "rooms/lobby/messages?before=5-1&count=2",
            "",
            r#"{"op":"history","room":"lobby","before":"5-1","count":2}"#,
        ),
        (
            "POST",
            "rooms/lobby/messages",
            r#"{"text":"hi","meta":{"a": 1}}"#,
            r#"{"op":"send","room":"lobby","text":"hi","meta":{"a": 1}}"#,
        ),
        (
            "PATCH",
            "rooms/lobby/messages/5-1",
            r#"{"text":"ho"}"#,
            r#"{"op":"edit","room":"lobby","id":"5-1","text":"ho"}"#,
        ),
        (
            "DELETE",
            "rooms/lobby/messages/5-1?reason=spam",
            "",
            r#"{"op":"delete","room":"lobby","id":"5-1","reason":"spam"}"#,
        ),
        (
            "PUT",
            "rooms/lobby/messages/5-1/reactions/%F0%9F%91%8D",
            "",
            r#"{"op":"react","room":"lobby","id":"5-1","emoji":"👍"}"#,
        ),
        (
            "DELETE",
            "rooms/lobby/messages/5-1/reactions/x",
            "",
            r#"{"op":"react","remove":true,"room":"lobby","id":"5-1","emoji":"x"}"#,
        ),
        ("GET", "rooms/lobby/members", "", r#"{"op":"members","room":"lobby"}"#),
        ("PUT", "rooms/lobby/members/alice", "", r#"{"op":"join","room":"lobby"}"#),
        ("PUT", "rooms/lobby/members/alice", "{}", r#"{"op":"join","room":"lobby"}"#),
        (
            "PUT",
            "rooms/lobby/members/alice",
            r#"{"role":"owner"}"#,
            r#"{"op":"mod","action":"role","room":"lobby","user":"alice","role":"owner"}"#,
        ),
        (
            "PUT",
            "rooms/lobby/members/bob",
            r#"{"role":"member"}"#,
            r#"{"op":"mod","action":"role","room":"lobby","user":"bob","role":"member"}"#,
        ),
        (
            "PUT",
            "rooms/lobby/members/bob",
            "",
            r#"{"op":"mod","action":"role","room":"lobby","user":"bob"}"#,
        ),
        ("DELETE", "rooms/lobby/members/alice", "", r#"{"op":"leave","room":"lobby"}"#),
        (
            "DELETE",
            "rooms/lobby/members/bob?reason=rude",
            "",
            r#"{"op":"mod","action":"kick","room":"lobby","user":"bob","reason":"rude"}"#,
        ),
        ("GET", "rooms/lobby/who?count=1", "", r#"{"op":"who","room":"lobby","count":1}"#),
        ("GET", "rooms/lobby/sanctions", "", r#"{"op":"sanctions","room":"lobby"}"#),
        (
            "POST",
            "rooms/lobby/mod",
            r#"{"action":"ban","user":"bob"}"#,
            r#"{"op":"mod","room":"lobby","action":"ban","user":"bob"}"#,
        ),
        (
            "POST",
            "rooms/lobby/signal",
            r#"{"name":"typing"}"#,
            r#"{"op":"signal","room":"lobby","name":"typing"}"#,
        ),
        (
            "PUT",
            "rooms/lobby/read",
            r#"{"id":"5-1"}"#,
            r#"{"op":"read","room":"lobby","id":"5-1"}"#,
        ),
        ("GET", "inbox?count=3", "", r#"{"op":"inbox","count":3}"#),
        ("POST", "unread", r#"{"rooms":["a"]}"#, r#"{"op":"unread","rooms":["a"]}"#),
        ("POST", "online", r#"{"rooms":["a"]}"#, r#"{"op":"online","rooms":["a"]}"#),
        ("GET", "users/bob", "", r#"{"op":"profiles","users":["bob"]}"#),
        (
            "PATCH",
            "users/bob",
            r#"{"name":"Bob"}"#,
            r#"{"op":"room","room":"@bob","set":{"name":"Bob"}}"#,
        ),
    ];
    for (method, target, body, expected) in rows {
        let found = frame(method, &format!("/v1/{target}"), body).expect(target);
        assert_eq!(found, *expected, "{method} {target}");
    }
    let used = |route: &&Route| {
        rows.iter().any(|(method, target, body, expected)| {
            let path = format!("/v1/{}", target.split('?').next().unwrap_or_default());
            let op = format!("{{\"op\":\"{}\"", route.op);
            let _ = body;
            *method == route.method
                && expected.starts_with(&op)
                && segments(&path).is_some_and(|segments| route.fits(&segments))
        })
    };
    assert!(ROUTES.iter().all(|route| used(&route)));
}

#[test]
fn other_requests_have_no_frame() {
    let rows: &[(&str, &str, &str, u16)] = &[
        ("GET", "/v1/", "", 404),
        ("GET", "/v1/room", "", 404),
        ("GET", "/v1/rooms/", "", 404),
        ("GET", "/v1/rooms//messages", "", 404),
        ("GET", "/v1/rooms/a/messages/", "", 404),
        ("GET", "/v1/rooms/a/../b", "", 404),
        ("GET", "/v1/rooms/..", "", 400),
        ("GET", "/v1/rooms/%2e", "", 400),
        ("GET", "/v1/rooms/%ff", "", 400),
        ("GET", "/v1/rooms/a/messages?count=1&count=1", "", 400),
        ("POST", "/v1/rooms", "", 405),
        ("TRACE", "/v1/inbox", "", 405),
        ("get", "/v1/inbox", "", 405),
        ("POST", "/v1/unread", "[]", 400),
        ("POST", "/v1/unread", r#"{"rooms":["#, 400),
        ("PATCH", "/v1/rooms/a", r#""topic""#, 400),
        ("POST", "/v1/rooms/a/messages", r#"{"text":"x","room":"b"}"#, 400),
        ("POST", "/v1/rooms/a/messages", r#"{"text":"x","op":"mod"}"#, 400),
        ("POST", "/v1/rooms/a/messages", r#"{"text":"x","\u006fp":"mod"}"#, 400),
        ("POST", "/v1/rooms/a/messages", r#"{"text":"x","as":"bob"}"#, 400),
        ("POST", "/v1/rooms/a/messages", r#"{"text":"x","ref":null}"#, 400),
        ("PUT", "/v1/rooms/a/members/bob", r#"{"role":"x","action":"ban"}"#, 400),
        ("PUT", "/v1/rooms/a/members/bob", r#"{"role":"x","user":"carol"}"#, 400),
    ];
    for (method, target, body, status) in rows {
        let problem = frame(method, target, body).expect_err(target);
        assert_eq!(problem.status.as_u16(), *status, "{method} {target} {body}");
    }
}

#[test]
fn a_path_lists_its_methods() {
    let rows = [
        ("/v1/rooms", Some("GET, HEAD, OPTIONS")),
        ("/v1/rooms/a", Some("GET, HEAD, PATCH, OPTIONS")),
        ("/v1/rooms/a/members/b", Some("PUT, DELETE, OPTIONS")),
        ("/v1/nothing", None),
    ];
    for (path, expected) in rows {
        assert_eq!(allowed(path).as_deref(), expected, "{path}");
    }
}
