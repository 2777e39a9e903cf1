//! A room is a key and a channel: Redis's ACL protects both.

use std::collections::BTreeSet;

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::server::Server;

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
        &["CHAT.SENT", "secret", "root", "n1"],
        &["CHAT.HISTORY", "secret"],
        &["CHAT.SYNC", "secret", "0-0"],
        &["CHAT.JOIN", "secret", "guest"],
        &["CHAT.LEAVE", "secret", "guest"],
        &["CHAT.MEMBERS", "secret"],
        &["CHAT.ROOM", "secret"],
        &["CHAT.ROOM_RO", "secret"],
        &["CHAT.SANCTIONS", "secret"],
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
fn no_user_lists_rooms_that_the_acl_hides() {
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

/// The commands for operators.
const ADMIN: [&str; 2] = ["chat.apply", "chat.changes"];
/// How many of them only read.
const READS_OF_ADMIN: usize = 1;

/// Every command of the module with its flags and its ACL categories.
fn commands(wire: &mut Wire) -> Vec<(String, Vec<String>, BTreeSet<String>)> {
    let names = cmd!(wire, "COMMAND", "LIST", "FILTERBY", "MODULE", "chat").texts();
    assert!(names.len() > 20, "{names:?}");
    let described = |name: String| {
        let info = cmd!(wire, "COMMAND", "INFO", &name);
        let info = info.list()[0].list();
        (name, info[2].texts(), info[6].texts().into_iter().collect())
    };
    names.into_iter().map(described).collect()
}

#[test]
fn each_command_is_in_the_categories_of_its_flags() {
    let redis = Redis::start();
    let server = Server::of(&redis);
    for (name, flags, categories) in commands(&mut redis.wire()) {
        let has = |flag: &str| flags.iter().any(|other| other == flag);
        let mut expected = BTreeSet::new();
        if server.has_command_categories() {
            expected.insert(if has("fast") { "@fast" } else { "@slow" });
            let reads = (!has("admin")).then_some("@read");
            expected.extend(if has("write") { Some("@write") } else { reads });
        }
        if server.has_own_categories() {
            expected.insert("@chat");
        }
        if server.has_command_categories() && ADMIN.contains(&name.as_str()) {
            expected.extend(["@admin", "@dangerous"]);
        }
        let categories: BTreeSet<&str> = categories.iter().map(String::as_str).collect();
        assert_eq!(categories, expected, "{name}");
    }
}

/// The commands that a user may call, by ACL DRYRUN with enough words for each.
fn allowed(wire: &mut Wire, user: &str) -> BTreeSet<String> {
    let commands = commands(wire);
    let may = |name: &String| {
        let words = ["lobby", "alice", "1", "x", "AT", "1"];
        let info = cmd!(wire, "COMMAND", "INFO", name).list()[0].list()[1].int();
        let count = usize::try_from(info.abs() - 1).expect("an arity");
        let mut call = vec!["ACL", "DRYRUN", user, name];
        call.extend(&words[..count]);
        let reply = wire.call(&call);
        assert!(reply.text() == "OK" || reply.text().contains("no permissions"), "{reply:?}");
        reply.text() == "OK"
    };
    let mut names: Vec<String> = commands.into_iter().map(|(name, ..)| name).collect();
    names.retain(may);
    names.into_iter().collect()
}

/// The commands that only read without those for operators, or those that write.
fn of_kind(wire: &mut Wire, flag: &str) -> BTreeSet<String> {
    let commands = commands(wire).into_iter();
    let has = |flags: &[String]| flags.iter().any(|other| other == flag);
    let of_kind = commands.filter(|(_, flags, _)| has(flags)).map(|(name, ..)| name);
    of_kind.filter(|name| flag == "write" || !ADMIN.contains(&name.as_str())).collect()
}

#[test]
fn a_category_grants_and_revokes_commands() {
    let redis = Redis::start();
    let server = Server::of(&redis);
    let mut admin = redis.wire();
    cmd!(admin, "CHAT.SEND", "lobby", "root", "hi").ok();
    let (reads, writes) = (of_kind(&mut admin, "readonly"), of_kind(&mut admin, "write"));
    let mut user = |name: &str, rules: &[&str]| {
        let mut call = vec!["ACL", "SETUSER", name, "on", ">pw", "~*", "&*"];
        call.extend_from_slice(rules);
        admin.call(&call).ok();
        allowed(&mut admin, name)
    };
    if server.has_command_categories() {
        assert_eq!(user("looks", &["+@all", "-@write", "-@dangerous"]), reads);
        assert_eq!(user("reads", &["-@all", "+@read"]), reads);
        assert_eq!(user("writes", &["-@all", "+@write"]), writes);
        let harmless = user("harmless", &["+@all", "-@dangerous"]);
        assert_eq!(harmless.len(), reads.len() + writes.len() - 1);
        assert!(ADMIN.iter().all(|name| !harmless.contains(*name)));
        let mut wire = redis.wire();
        cmd!(wire, "AUTH", "looks", "pw").ok();
        assert!(cmd!(wire, "CHAT.SEND", "lobby", "x", "y").error().starts_with("NOPERM"));
        cmd!(wire, "CHAT.HISTORY", "lobby").ok();
    } else {
        let all = reads.len() + writes.len() + READS_OF_ADMIN;
        assert_eq!(user("looks", &["+@all", "-@write"]).len(), all);
        assert_eq!(user("reads", &["-@all", "+@read"]), BTreeSet::new());
    }
    if server.has_own_categories() {
        let all = user("chats", &["-@all", "+@chat"]);
        assert_eq!(all.len(), reads.len() + writes.len() + READS_OF_ADMIN);
    }
}

/// The documented lines for servers without ACL categories for modules work on every server.
#[test]
fn the_documented_acl_lines_allow_all_reads_and_no_writes() {
    let redis = Redis::start();
    let mut admin = redis.wire();
    let reads = of_kind(&mut admin, "readonly");
    for name in ["reader", "viewer"] {
        let start = format!("user {name} ");
        let documents = chat_tests::documents::read("docs/servers.md");
        let mut lines = documents.lines().filter_map(|line| line.trim().strip_prefix(&start));
        let line = lines.next();
        let mut call = vec!["ACL", "SETUSER", name];
        call.extend(line.expect("a line of an ACL").split(' '));
        admin.call(&call).ok();
        assert_eq!(allowed(&mut admin, name), reads, "{name}");
    }
}
