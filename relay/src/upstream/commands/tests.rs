//! The words of each command, in the order in which the server reads them.

use super::*;

fn words(command: Command) -> String {
    let packed = command.packed();
    packed.lines().skip(2).step_by(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn options_stand_where_the_command_expects_them_and_only_if_given() {
    let (id, second) = (Id { ms: 7, n: 3 }, Duration::from_secs(1));
    let plain = Message {
        room: "r",
        user: "u",
        text: "hi",
        nonce: None,
        kind: None,
        meta: None,
        reply: None,
        mentions: &[],
    };
    let mentions = ["a".to_owned(), "b".to_owned()];
    let full = Message {
        nonce: Some("k"),
        kind: Some("w"),
        meta: Some("{}"),
        reply: Some(id),
        mentions: &mentions,
        ..plain
    };
    let kick = Moderation {
        room: "r",
        actor: "m",
        action: "KICK",
        user: "u",
        role: None,
        for_ms: None,
        reason: None,
    };
    let ban = Moderation { action: "BAN", for_ms: Some(5), reason: Some("s"), ..kick };
    let role = Moderation { action: "ROLE", role: Some("owner"), ..kick };
    let all = Bounds { count: Some(2), bytes: Some(9) };
    let page = Rows { cursor: Some("c"), count: Some(2) };
    let (user, backend) = (Reader::User("u"), Reader::Backend);
    let rows: &[(Command, &str)] = &[
        (send(&plain), "CHAT.SEND r u hi EPHEMERAL"),
        (send(&full), "CHAT.SEND r u hi NONCE k KIND w META {} REPLY 7-3 MENTION 2 a b"),
        (sent("r", "u", "k"), "CHAT.SENT r u k"),
        (send(&plain).without_hook(), "CHAT.SEND r u hi EPHEMERAL NOHOOK"),
        (edit("r", "u", id, "hi", Some("{}")), "CHAT.EDIT r u 7-3 hi META {}"),
        (delete("r", "u", id, None), "CHAT.DELETE r u 7-3"),
        (unreact("r", "u", id, "+"), "CHAT.REACT r u 7-3 + REMOVE"),
        (history("r", Part::Newest, Bounds::default(), backend), "CHAT.HISTORY r"),
        (
            history("r", Part::Around(id), all, user),
            "CHAT.HISTORY r AROUND 7-3 COUNT 2 BYTES 9 AS u",
        ),
        (sync("r", id, all, backend), "CHAT.SYNC r 7-3 COUNT 2 BYTES 9"),
        (moderate(&kick), "CHAT.MOD r m KICK u"),
        (moderate(&ban), "CHAT.MOD r m BAN u FOR 5 REASON s"),
        (moderate(&role), "CHAT.MOD r m ROLE u owner"),
        (present("r", "u", "n", second, Some("away")), "CHAT.PRESENCE r u n TTL 1000 STATUS away"),
        (absent("r", "u", "n", Some("kicked")), "CHAT.PRESENCE r u n OFF REASON kicked"),
        (beat("r", second, ["n", "o"]), "CHAT.BEAT r 1000 n o"),
        (sanctions("r", page, user), "CHAT.SANCTIONS r CURSOR c COUNT 2 AS u"),
        (signal("r", "u", "typing", None), "CHAT.SIGNAL r u typing"),
        (follows("u", page), "CHAT.FOLLOWS @u CURSOR c COUNT 2"),
        (set_room("r", &[("slow", "5".into())], user), "CHAT.ROOM r SET slow 5 BY u AS u"),
        (set_room("r", &[("slow", "5".into())], Reader::Backend), "CHAT.ROOM r SET slow 5"),
        (rooms(page, Some("*"), user), "CHAT.ROOMS CURSOR c MATCH * COUNT 2 AS u"),
    ];
    for (command, expected) in rows {
        assert_eq!(words(command.clone()), *expected);
    }
}

#[test]
fn a_command_knows_its_key_and_needs_no_copy_of_it() {
    let id = Id { ms: 7, n: 3 };
    let rows: &[(Command, Option<&str>)] = &[
        (room("a{b}c", Reader::Backend), Some("a{b}c")),
        (delete("dm:a,b", "a", id, None), Some("dm:a,b")),
        (follow("u", "r"), Some("@u")),
        (publish("@*profiles", "x"), Some("@*profiles")),
        (subscribe("lobby"), Some("lobby")),
        (join("r", "u").without_creating(), Some("r")),
        (rooms(Rows::default(), Some("*"), Reader::Backend), None),
        (hello(), None),
        (operator::config_get("save"), None),
    ];
    for (command, expected) in rows {
        assert_eq!(command.key(), expected.map(str::as_bytes), "{command:?}");
    }
}
