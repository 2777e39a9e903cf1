//! Reading: history, missed events, read cursors.

use chat_protocol::limits;

use super::command::{
    ALICE, ARITY, Bound, COUNT, Command, FIXED, LOBBY, PAGE, ROOM_NAME, USER, argument,
};

const BYTES: Bound = Bound::Number(limits::REPLY_BYTES_MAX as u64, "INVALID bytes");

pub(crate) const HISTORY: Command = Command {
    name: "CHAT.HISTORY",
    arguments: &[
        argument("room", &["$"], LOBBY, FIXED),
        argument("anchor.before", &["lobby", "BEFORE", "$"], Bound::Id, FIXED),
        argument("anchor.after", &["lobby", "AFTER", "$"], Bound::Id, FIXED),
        argument("anchor.around", &["lobby", "AROUND", "$"], Bound::Id, FIXED),
        argument("count", &["lobby", "COUNT", "$"], COUNT, PAGE),
        argument("bytes", &["lobby", "BYTES", "$"], BYTES, FIXED),
        argument("user", &["lobby", "AS", "$"], USER, FIXED),
    ],
    refused: &[
        (&[], ARITY, "nothing"),
        (&["a b"], "INVALID room", "a blank"),
        (&["nowhere"], "NOROOM", "no such room"),
        (&["string"], "WRONGTYPE", "no room"),
        (&["lobby", "BEFORE"], "ERR", "no id"),
        (&["lobby", "BEFORE", "x"], "INVALID id", "no id"),
        (&["lobby", "AFTER", "1-02"], "INVALID id", "a leading zero"),
        (&["lobby", "AROUND", "-"], "INVALID id", "no id"),
        (&["lobby", "BEFORE", "{id}", "AFTER", "{id}"], "ERR", "two of them"),
        (&["lobby", "COUNT", "0"], "INVALID count", "none"),
        (&["lobby", "COUNT", "1001"], "INVALID count", "too many"),
        (&["lobby", "COUNT", "-1"], "INVALID count", "negative"),
        (&["lobby", "COUNT", "x"], "INVALID count", "no number"),
        (&["lobby", "BYTES", "0"], "INVALID bytes", "none"),
        (&["lobby", "BYTES", "4194305"], "INVALID bytes", "too many"),
        (&["lobby", "BYTES", "1", "BYTES", "2"], "ERR", "twice"),
        (&["lobby", "AS", "a,b"], "INVALID user", "a comma"),
        (&["lobby", "AS", "*"], "INVALID user", "the backend needs no AS"),
        (&["lobby", "WRONG", "1"], "ERR", "no such option"),
        (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
        (&["@alice", "AS", "bob"], "DENIED self", "another user's"),
        (&["dm:alice,bob", "AS", "carol"], "NOTMEMBER", "other people's"),
        (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
    ],
};

pub(crate) const SYNC: Command = Command {
    name: "CHAT.SYNC",
    arguments: &[
        argument("room", &["$", "0-0"], ROOM_NAME, PAGE),
        argument("id", &["lobby", "$"], Bound::Id, PAGE),
        argument("count", &["lobby", "0-0", "COUNT", "$"], COUNT, PAGE),
        argument("bytes", &["lobby", "0-0", "BYTES", "$"], BYTES, PAGE),
        argument("user", &["lobby", "0-0", "AS", "$"], USER, PAGE),
    ],
    refused: &[
        (&["lobby"], ARITY, "no cursor"),
        (&["a b", "0-0"], "INVALID room", "a blank"),
        (&["string", "0-0"], "WRONGTYPE", "no room"),
        (&["lobby", "0"], "INVALID id", "no dash"),
        (&["lobby", "01-1"], "INVALID id", "a leading zero"),
        (&["lobby", "18446744073709551616-1"], "INVALID id", "more than 64 bits"),
        (&["lobby", "{id} "], "INVALID id", "a blank"),
        (&["lobby", "0-0", "COUNT", "0"], "INVALID count", "none"),
        (&["lobby", "0-0", "COUNT", "1001"], "INVALID count", "too many"),
        (&["lobby", "0-0", "BYTES", "0"], "INVALID bytes", "none"),
        (&["lobby", "0-0", "BYTES", "4194305"], "INVALID bytes", "too many"),
        (&["lobby", "0-0", "CURSOR", "1"], "ERR", "no such option"),
        (&["lobby", "0-0", "AS"], "ERR", "nobody"),
        (&["closed", "0-0", "AS", "bob"], "NOTMEMBER", "members only"),
        (&["@alice", "0-0", "AS", "bob"], "DENIED self", "another user's"),
        (&["lobby", "0-0", "AS", "banned"], "BANNED 0", "kept out for ever"),
    ],
};

pub(crate) const READ: Command = Command {
    name: "CHAT.READ",
    arguments: &[
        argument("room", &["$", "alice", "{id}"], LOBBY, FIXED),
        argument("user", &["lobby", "$", "{id}"], ALICE, FIXED),
        argument("id", &["lobby", "alice", "$"], Bound::Id, FIXED),
    ],
    refused: &[
        (&["lobby", "alice"], ARITY, "no id"),
        (&["lobby", "alice", "{id}", "x"], ARITY, "too much"),
        (&["a b", "alice", "{id}"], "INVALID room", "a blank"),
        (&["lobby", "*", "{id}"], "INVALID user", "the backend reads nothing"),
        (&["lobby", "alice", "-1"], "INVALID id", "no id"),
        (&["lobby", "alice", "1-1"], "NOMSG", "no such event"),
        (&["nowhere", "alice", "{id}"], "NOROOM", "no such room"),
        (&["string", "alice", "{id}"], "WRONGTYPE", "no room"),
        (&["lobby", "mallory", "{id}"], "NOTMEMBER", "a stranger"),
        (&["lobby", "banned", "{id}"], "BANNED 0", "kept out for ever"),
        (&["closed", "bob", "{id}"], "NOTMEMBER", "members only"),
        (&["@alice", "bob", "{id}"], "DENIED self", "another user's"),
        (&["dm:alice,bob", "carol", "{id}"], "NOTMEMBER", "other people's"),
    ],
};

pub(crate) const UNREAD: Command = Command {
    name: "CHAT.UNREAD",
    arguments: &[
        argument("room", &["$", "alice"], LOBBY, FIXED),
        argument(
            "user",
            &["lobby", "$"],
            Bound::Words(limits::WORDS_MAX, "user", "INVALID count"),
            PAGE,
        ),
    ],
    refused: &[
        (&["lobby"], ARITY, "nobody"),
        (&["a b", "alice"], "INVALID room", "a blank"),
        (&["lobby", "*"], "INVALID user", "the backend reads nothing"),
        (&["lobby", "alice", ""], "INVALID user", "the second is empty"),
        (&["nowhere", "alice"], "NOROOM", "no such room"),
        (&["string", "alice"], "WRONGTYPE", "no room"),
    ],
};
