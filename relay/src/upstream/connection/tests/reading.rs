//! Bytes of every kind, cut anywhere, against the parser of the redis crate.

use bytes::BufMut;
use proptest::collection::vec;
use proptest::prelude::*;
use redis::Value;

use crate::upstream::connection::reply_reader::{Item, Push, ReplyReader, Unreadable};

/// An item that owns what it shows.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Reply(Value),
    Message(String, Vec<u8>),
    Subscribed(String),
    Unsubscribed(String),
    Other,
}

fn seen(item: Item<'_>) -> Seen {
    match item {
        Item::Reply(value) => Seen::Reply(value),
        Item::Push(Push::Message { channel, payload }) => {
            Seen::Message(channel.to_owned(), payload.to_vec())
        }
        Item::Push(Push::Subscribed(channel)) => Seen::Subscribed(channel.to_owned()),
        Item::Push(Push::Unsubscribed(channel)) => Seen::Unsubscribed(channel.to_owned()),
        Item::Push(Push::Other) => Seen::Other,
    }
}

/// Everything in these pieces.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Seen>, Unreadable> {
    let (mut reader, mut found) = (ReplyReader::default(), Vec::new());
    for piece in pieces {
        reader.space().put_slice(piece);
        while let Some(item) = reader.next_item()? {
            found.push(seen(item));
        }
    }
    Ok(found)
}

fn model(bytes: &[u8]) -> Seen {
    Seen::Reply(redis::parse_redis_value(bytes).expect("a value"))
}

fn blob(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn push(words: &[&[u8]]) -> Vec<u8> {
    let head = format!(">{}\r\n", words.len()).into_bytes();
    words.iter().fold(head, |bytes, word| [bytes, blob(word)].concat())
}

#[test]
fn every_kind_of_value_is_read_as_the_redis_crate_reads_it() {
    let rows: &[&str] = &[
        "+OK\r\n",
        "+PONG\r\n",
        "+\r\n",
        "-ERR no\r\n",
        "-MOVED 3999 [::1]:6381\r\n",
        "-NOTMEMBER join first\r\n",
        "-X\r\n",
        ":0\r\n",
        ":-9223372036854775808\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "_\r\n",
        "$0\r\n\r\n",
        "$4\r\na\r\nb\r\n",
        "*0\r\n",
        "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
        "*2\r\n-NOTMEMBER x\r\n+OK\r\n",
        "%0\r\n",
        "%2\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$6\r\nmaster\r\n",
        "~2\r\n:1\r\n:2\r\n",
        "#t\r\n",
        "#f\r\n",
        ",1.5\r\n",
        ",inf\r\n",
        "(3492890328409238509324850943850943825024385\r\n",
        "=7\r\ntxt:abc\r\n",
        "!6\r\nERR no\r\n",
    ];
    for text in rows {
        assert_eq!(read([text.as_bytes()]), Ok(vec![model(text.as_bytes())]), "{text:?}");
    }
}

#[test]
fn pushes_are_told_apart() {
    let message = |channel: &str, text: &str| Seen::Message(channel.into(), text.into());
    let rows: &[(&[u8], Seen)] = &[
        (&push(&[b"smessage", b"lobby", b"hi"]), message("lobby", "hi")),
        (&push(&[b"message", b"+switch-master", b""]), message("+switch-master", "")),
        (b">3\r\n+ssubscribe\r\n+lobby\r\n:1\r\n", Seen::Subscribed("lobby".into())),
        (b">3\r\n$12\r\nsunsubscribe\r\n$1\r\nx\r\n:0\r\n", Seen::Unsubscribed("x".into())),
        (b">3\r\n$12\r\nsunsubscribe\r\n_\r\n:0\r\n", Seen::Other),
        (b">3\r\n$8\r\nsmessage\r\n$1\r\nx\r\n:1\r\n", Seen::Other),
        (b">3\r\n$8\r\nsmessage\r\n*1\r\n:1\r\n$1\r\nx\r\n", Seen::Other),
        (b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n", Seen::Other),
        (b">0\r\n", Seen::Other),
        (&push(&[b"smessage", b"\xff", b"hi"]), Seen::Other),
    ];
    for (bytes, expected) in rows {
        let found = read([*bytes, b":7\r\n"]);
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(found, Ok(vec![expected.clone(), Seen::Reply(Value::Int(7))]), "{text:?}");
    }
}

#[test]
fn broken_bytes_are_refused() {
    let deep = "*1\r\n".repeat(17);
    let long_line = format!("+{}", "x".repeat(17 << 10));
    let rows: &[(&str, &str)] = &[
        ("?1\r\n", "a value of an unknown kind"),
        ("HTTP/1.1 400 Bad Request\r\n", "a value of an unknown kind"),
        ("\r\n", "a value of an unknown kind"),
        ("|1\r\n+ttl\r\n:1\r\n:2\r\n", "a value of an unknown kind"),
        (":x\r\n", "a number is none"),
        (":99999999999999999999\r\n", "a number is none"),
        ("$x\r\n", "a length is no number"),
        ("$\r\n", "a length is no number"),
        ("$?\r\n", "a length is no number"),
        ("$-2\r\n", "a length is no number"),
        ("=-1\r\n", "a length is no number"),
        ("%-1\r\n", "a length is no number"),
        ("$1111111111\r\n", "a length is no number"),
        ("*9223372036854775807\r\n", "a length is no number"),
        ("$67108865\r\n", "an item is too long"),
        ("*2\r\n$67108000\r\n", ""),
        ("*1048577\r\n", "an item has too many values"),
        ("*2\r\n*1048570\r\n", ""),
        ("*2\r\n*0\r\n*1048577\r\n", "an item has too many values"),
        ("%600000\r\n", "an item has too many values"),
        (&deep, "an item is too deep"),
        ("$1\r\nxyz", "a string is longer than its length"),
        ("+a\rb\r\n", "a line has no end"),
        (&long_line, "a line is too long"),
        ("*1\r\n>1\r\n+x\r\n", "a push inside of a reply"),
        ("#x\r\n", "a value of an unknown kind"),
        (",x\r\n", "a value is not of its kind"),
    ];
    for (text, expected) in rows {
        let found = read([text.as_bytes()]);
        match expected {
            &"" => assert_eq!(found, Ok(vec![]), "{text:?}"),
            why => {
                let error = found.expect_err(text).to_string();
                assert!(error.ends_with(why), "{text:?}: {error}");
            }
        }
    }
}

#[test]
fn a_length_alone_takes_no_memory() {
    let mut reader = ReplyReader::default();
    reader.space().put_slice(b"*1000000\r\n$60000000\r\nx");
    assert_eq!(reader.next_item(), Ok(None));
    assert!(reader.space().capacity() < 1 << 20);
}

#[test]
fn a_large_buffer_is_given_back() {
    let mut reader = ReplyReader::default();
    let large = vec![b'x'; 4 << 20];
    reader.space().put_slice(&blob(&large));
    assert_eq!(reader.next_item(), Ok(Some(Item::Reply(Value::BulkString(large)))));
    assert_eq!(reader.next_item(), Ok(None));
    assert!(reader.space().capacity() < 1 << 20);
}

/// A stream of all kinds of items.
fn stream() -> Vec<(Vec<u8>, Seen)> {
    let reply = |text: &str| (text.as_bytes().to_vec(), model(text.as_bytes()));
    let text = "a long text ".repeat(20);
    vec![
        reply("+OK\r\n"),
        (
            push(&[b"smessage", b"lobby", text.as_bytes()]),
            Seen::Message("lobby".into(), text.into()),
        ),
        reply("*3\r\n$3\r\n1-2\r\n*0\r\n%1\r\n+a\r\n*2\r\n:1\r\n_\r\n"),
        (push(&[b"sunsubscribe", b"lobby", b"0"]), Seen::Unsubscribed("lobby".into())),
        reply("-MOVED 1 :6379\r\n"),
        reply("$5\r\n\r\n\r\n\r\r\n"),
    ]
}

#[test]
fn a_stream_cut_at_every_byte_reads_the_same() {
    let (bytes, expected): (Vec<Vec<u8>>, Vec<Seen>) = stream().into_iter().unzip();
    let bytes = bytes.concat();
    for first in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(first);
        assert_eq!(read([head, tail]).as_ref(), Ok(&expected), "cut at {first}");
    }
    assert_eq!(read(bytes.chunks(1)), Ok(expected));
}

/// Bytes of any reply.
fn any_reply() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(|bytes| blob(&bytes)),
        any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        "[ -~]{0,20}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
        "[A-Z]{1,8} [ -~]{0,20}".prop_map(|text| format!("-{text}\r\n").into_bytes()),
        Just(b"_\r\n".to_vec()),
        Just(b"$-1\r\n".to_vec()),
        any::<bool>().prop_map(|yes| if yes { b"#t\r\n".to_vec() } else { b"#f\r\n".to_vec() }),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let many = |kind: char, inner: BoxedStrategy<Vec<u8>>, step: usize| {
            vec(inner, 0..6).prop_map(move |values| {
                let count = values.len() / step;
                let head = format!("{kind}{count}\r\n").into_bytes();
                [head, values[..count * step].concat()].concat()
            })
        };
        let inner = inner.boxed();
        prop_oneof![many('*', inner.clone(), 1), many('~', inner.clone(), 1), many('%', inner, 2)]
    })
}

fn any_item() -> impl Strategy<Value = (Vec<u8>, Seen)> {
    let channel = "[a-z]{1,6}";
    prop_oneof![
        3 => any_reply().prop_map(|bytes| (bytes.clone(), model(&bytes))),
        1 => (channel, vec(any::<u8>(), 0..60)).prop_map(|(channel, text)| {
            (push(&[b"smessage", channel.as_bytes(), &text]), Seen::Message(channel, text))
        }),
        1 => channel.prop_map(|channel| {
            (push(&[b"sunsubscribe", channel.as_bytes(), b"0"]), Seen::Unsubscribed(channel))
        }),
    ]
}

proptest! {
    #[test]
    fn replies_and_pushes_in_any_order_and_pieces_read_as_they_were_sent(
        items in vec(any_item(), 0..12),
        pieces in vec(1_usize..80, 1..20),
    ) {
        let (bytes, expected): (Vec<Vec<u8>>, Vec<Seen>) = items.into_iter().unzip();
        let bytes = bytes.concat();
        let mut rest = &bytes[..];
        let cuts = pieces.iter().cycle().map_while(|length| {
            let (piece, left) = rest.split_at((*length).min(rest.len()));
            rest = left;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(read(cuts.collect::<Vec<_>>()), Ok(expected));
    }

    #[test]
    fn any_bytes_end_in_an_error_or_in_waiting(bytes in vec(any::<u8>(), 0..300)) {
        let _ = read([&bytes[..]]);
    }
}
