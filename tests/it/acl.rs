//! A room is a key and a channel: Redis's own ACL protects both.

use chat_tests::cmd;
use chat_tests::redis::Redis;
use chat_tests::subscriber::Subscriber;

#[test]
fn a_user_of_one_room_reaches_no_other() {
    let redis = Redis::start();
    let mut admin = redis.wire();
    cmd!(admin, "CHAT.SEND", "secret", "root", "hidden").ok();
    cmd!(admin, "ACL", "SETUSER", "guest", "on", ">pw", "~lobby", "&lobby", "+@all").ok();
    let guest = || {
        let mut wire = redis.wire();
        cmd!(wire, "AUTH", "guest", "pw").ok();
        wire
    };
    let mut wire = guest();
    let mut channel = Subscriber::on(guest(), &["lobby"]);
    cmd!(wire, "CHAT.SEND", "lobby", "guest", "hi").ok();
    assert_eq!(channel.next_of("message")["text"], "hi");
    let forbidden: &[&[&str]] = &[
        &["CHAT.SEND", "secret", "guest", "hi"],
        &["CHAT.HISTORY", "secret"],
        &["CHAT.SYNC", "secret", "0-0"],
        &["CHAT.JOIN", "secret", "guest"],
        &["CHAT.LEAVE", "secret", "guest"],
        &["CHAT.MEMBERS", "secret"],
        &["CHAT.ROOM", "secret"],
        &["CHAT.ROOM_RO", "secret"],
        &["CHAT.PRESENCE", "secret", "guest", "c1"],
        &["CHAT.BEAT", "secret", "1000", "c1"],
        &["CHAT.WHO", "secret"],
        &["CHAT.ONLINE", "lobby", "secret"],
        &["CHAT.SIGNAL", "secret", "guest", "typing"],
        &["CHAT.FOLLOW", "@guest", "lobby"],
        &["CHAT.UNFOLLOW", "@guest", "lobby"],
        &["CHAT.FOLLOWS", "@guest"],
        &["SSUBSCRIBE", "secret"],
    ];
    for command in forbidden {
        let reply = wire.call(command);
        assert!(reply.error().starts_with("NOPERM"), "{command:?}: {reply:?}");
    }
    cmd!(admin, "ACL", "SETUSER", "reader", "on", ">pw", "%R~lobby", "&lobby", "+@all").ok();
    let mut reader = redis.wire();
    cmd!(reader, "AUTH", "reader", "pw").ok();
    cmd!(reader, "CHAT.HISTORY", "lobby").ok();
    assert!(cmd!(reader, "CHAT.SEND", "lobby", "x", "y").error().starts_with("NOPERM"));
}

#[test]
fn nobody_lists_rooms_they_may_not_read() {
    let redis = Redis::start();
    let mut admin = redis.wire();
    cmd!(admin, "CHAT.SEND", "secret", "root", "hidden").ok();
    cmd!(admin, "CHAT.SEND", "lobby", "root", "hi").ok();
    cmd!(admin, "ACL", "SETUSER", "guest", "on", ">pw", "~lobby", "&lobby", "+@all", "-chat.rooms")
        .ok();
    let mut wire = redis.wire();
    cmd!(wire, "AUTH", "guest", "pw").ok();
    assert!(cmd!(wire, "CHAT.ROOMS").error().starts_with("NOPERM"));
    assert_eq!(cmd!(admin, "CHAT.ROOMS").list()[1].list().len(), 2);
}
