//! The bytes of every record, pinned: replicas of another version and append-only files hold them.

use chat_protocol::id::Id;

use crate::codec::record_content::{End, Erasure, NewMessage, NewSettings};
use crate::state::log::message_body::{Body, Mentions};
use crate::state::settings::table::Setting;
use crate::state::users::members::{MemberAction, MemberChange, Role};
use crate::{Record, VERSION};

/// One of each record, with its bytes in hexadecimal.
fn records() -> Vec<(Record<'static>, &'static str)> {
    let (id, message) = (Id { ms: 300, n: 2 }, Id { ms: 299, n: 1 });
    let (user, by) = ("al", Some("*"));
    let change = MemberChange {
        user,
        by,
        action: MemberAction::Ban,
        role: Some(Role::Member),
        reason: Some("x"),
        until: Some(500),
    };
    let body = Body {
        since_previous: 1,
        kind: "text",
        text: "hi",
        meta: None,
        reply: None,
        mentions: Mentions::default(),
        nonce: None,
        edited: None,
        deleted: None,
        imported: None,
    };
    let new = NewMessage { id, author: user, body, digest: Some(0x0102_0304_0506_0708) };
    let changes = vec![Setting::parse(b"topic", b"t", 0).expect("a setting")];
    let settings = NewSettings { id, by: "mo", changes };
    vec![
        (Record::Create { ms: 300 }, "01ac02"),
        (Record::Message(new.clone()), "02ac020202616c0108070605040302010400016869"),
        (Record::Message(NewMessage { digest: None, ..new }), "02ac020202616c000400016869"),
        (Record::Settings(settings), "03ac0202026d6f01010174"),
        (
            Record::Join { user, role: Role::Owner, by, ms: 300, logged: None },
            "04ac0200000202616c01012a",
        ),
        (
            Record::Join { user, role: Role::Owner, by, ms: 300, logged: Some(id) },
            "04ac02ac02020202616c01012a",
        ),
        (Record::Leave { id, user, by }, "05ac020202616c01012a"),
        (Record::Role { id, user, role: Role::Moderator, by: None }, "06ac02020102616c00"),
        (Record::Follow { room: "r", since: 300 }, "07ac020172"),
        (Record::Unfollow { room: "r" }, "080172"),
        (Record::Trim { messages_from: 1, journal_from: 200, nonces_from: 3 }, "0901c80103"),
        (Record::Seen { ms: 300 }, "0bac02"),
        (Record::Moderate { id, change }, "0cac02020402616c01012a01010178f503"),
        (
            Record::Edit { id, user, message, text: "t", meta: Some("{}") },
            "0dac0202ab020102616c017401027b7d",
        ),
        (Record::Delete { id, user, message, reason: Some("x") }, "0eac0202ab020102616c010178"),
        (
            Record::React { id, user, message, emoji: "+", removed: true },
            "0fac0202ab020102616c012b01",
        ),
        (Record::Read { user, read: id }, "10ac020202616c"),
        (Record::Lead { first: 2, ms: 300 }, "1102ac02"),
        (Record::LogOnline { id, user }, "13ac020202616c"),
        (
            Record::LogOffline { id, since: 299, user, reason: "left" },
            "14ac0202ab0202616c046c656674",
        ),
        (Record::ForgetOnline, "15"),
        (
            Record::Erase(Erasure {
                id,
                user,
                alias: 0x0102_0304_0506_0708,
                up_to: message,
                messages: (1, 3),
                nonces: (4, 5),
                journal_from: 300,
                end: End::ButBan,
            }),
            "12ac020202616c0807060504030201ab020101030405ac0202",
        ),
        (Record::SnapshotPiece { place: 1, stored: b"abc".as_slice().into() }, "180103616263"),
        (
            Record::Present { connection: "c", user, ttl: 5000, now: 300, status: Some("s") },
            "208827ac02016302616c010173",
        ),
        (Record::Beat { ttl: 5000, connections: vec!["c", "d"] }, "2188270201630164"),
        (Record::Absent { connections: vec!["c".into()] }, "22010163"),
    ]
}

#[test]
fn every_record_has_its_bytes_and_is_read_back() {
    for (record, expected) in &records() {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, *expected, "{record:?}");
        let read = Record::read_all(&bytes).expect("readable");
        assert_eq!(format!("{read:?}"), format!("{:?}", [record]));
    }
    let room = crate::Room::default().encode(crate::Part::Durable);
    let mut bytes = Vec::new();
    Record::Snapshot { stored: room.as_slice().into() }.write(&mut bytes);
    assert_eq!(bytes[..2], [10, room.len() as u8]);
    assert_eq!(bytes[2..], room);
}

/// The tags of all records that are written, in their order.
pub(super) fn tags() -> Vec<u8> {
    let tag = |hex: &str| u8::from_str_radix(&hex[..2], 16).expect("hexadecimal");
    let mut tags: Vec<u8> = records().into_iter().map(|(_, hex)| tag(hex)).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// By the number of the form an operator can tell whether an older module can follow a newer one.
#[test]
fn a_new_record_has_a_new_stored_form() {
    let of_form_5 =
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 24, 32, 33, 34];
    assert_eq!((VERSION, tags()), (5, of_form_5.to_vec()));
}
