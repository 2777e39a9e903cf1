//! What users do with messages and with each other, on two pages and two relays.

use chat_tests::checking::view::history;
use chat_tests::clients::browser::{Browser, Page};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::json;

use crate::browser::page::{PEOPLE, STORED, TEXTS, count_of, open, text_of};

const DIRECT: &str = "#rooms .room[data-room=\"dm:alice,bob\"]";

/// Focuses the message with this text, as the arrow keys would.
#[track_caller]
fn focus(page: &Page<'_>, text: &str) {
    let find = format!(
        "(found => {{ found?.focus(); return Boolean(found) && document.activeElement === found; \
         }})([...document.querySelectorAll('#messages .message')]\
         .find(message => message.querySelector('.text').textContent === {}))",
        json!(text)
    );
    page.wait(&find, &json!(true), SOON);
}

/// Chooses the item that begins with this from the open menu.
#[track_caller]
fn choose(page: &Page<'_>, label: &str) {
    let find = format!(
        "(found => {{ found?.click(); return Boolean(found); }})\
         ([...document.querySelectorAll('.menu-box [role=menuitem]')]\
         .find(item => item.textContent.startsWith({})))",
        json!(label)
    );
    page.wait(&find, &json!(true), SOON);
}

/// Enters a reason in the open dialogue and confirms.
#[track_caller]
fn confirm_because(page: &Page<'_>, reason: &str) {
    page.wait(&count_of("dialog input"), &json!(1), SOON);
    let fill = format!("document.querySelector('dialog input').value = {}", json!(reason));
    page.evaluate(&fill);
    page.click("dialog .confirm");
}

#[test]
fn two_users_edit_reply_react_and_delete_and_one_is_kicked() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let browser = Browser::start();
    // The first user to join owns the room.
    let alice = open(&browser, "alice", &r1);
    alice.wait(PEOPLE, &json!(["alice"]), SOON);
    let bob = open(&browser, "bob", &r2);
    for page in [&alice, &bob] {
        page.wait(PEOPLE, &json!(["alice", "bob"]), SOON);
    }

    // Edit, by the key `e`: the field holds the old text.
    alice.type_line("#compose", "frist");
    bob.wait(TEXTS, &json!(["frist"]), SOON);
    alice.wait(STORED, &json!(1), SOON);
    focus(&alice, "frist");
    alice.press("e");
    alice.wait("document.querySelector('#compose').value", &json!("frist"), SOON);
    alice.type_line("#compose", "first");
    for page in [&alice, &bob] {
        page.wait(TEXTS, &json!(["first"]), SOON);
        page.wait(&count_of("#messages .message[data-edited]"), &json!(1), SOON);
    }

    // A reaction by the key `+`; a second one by a click on the first; a second click takes it
    // back.
    focus(&bob, "first");
    bob.press("+");
    choose(&bob, "👍");
    let counted = text_of("#messages .reaction[data-emoji=\"👍\"] .count");
    for page in [&alice, &bob] {
        page.wait(&counted, &json!("1"), SOON);
    }
    alice.click("#messages .reaction[data-emoji=\"👍\"]");
    bob.wait(&counted, &json!("2"), SOON);
    alice.wait(&counted, &json!("2"), SOON);
    bob.click("#messages .reaction[data-emoji=\"👍\"]");
    alice.wait(&counted, &json!("1"), SOON);

    // A reply, by the key `r`.
    focus(&bob, "first");
    bob.press("r");
    bob.wait("document.querySelector('#compose-about').hidden", &json!(false), SOON);
    bob.type_line("#compose", "nonsense");
    for page in [&alice, &bob] {
        page.wait(TEXTS, &json!(["first", "nonsense"]), SOON);
        page.wait(&text_of("#messages .quote .quote-text"), &json!("first"), SOON);
    }

    // Deleted by the owner, by the key Delete, with a reason.
    focus(&alice, "nonsense");
    alice.press("Delete");
    confirm_because(&alice, "off topic");
    for page in [&alice, &bob] {
        page.wait(&count_of("#messages .message[data-deleted]"), &json!(1), SOON);
        let shown = text_of("#messages .message[data-deleted] .text");
        page.wait(&format!("{shown}.includes('off topic')"), &json!(true), SOON);
        page.wait("document.body.innerText.includes('nonsense')", &json!(false), SOON);
    }
    let mut wire = redis.wire();
    let page = history(&mut wire, "lobby", &[]);
    let first = &page.events[0].json;
    assert_eq!((&first["text"], first["edited"].is_u64()), (&json!("first"), true), "{first}");
    assert_eq!(first["reactions"], json!([{"emoji": "👍", "count": 1, "users": ["alice"]}]));
    let second = &page.events[1].json;
    assert_eq!((&second["by"], &second["reason"]), (&json!("alice"), &json!("off topic")));

    // Kick, by the menu of the list of users.
    alice.click("#people .person[data-user=bob] .person-more");
    choose(&alice, "Remove");
    confirm_because(&alice, "enough");
    alice.wait(PEOPLE, &json!(["alice"]), SOON);
    bob.wait("document.querySelector('#banner').hidden", &json!(false), SOON);
    alice.type_line("#compose", "among ourselves");
    alice.wait(&format!("{TEXTS}.at(-1)"), &json!("among ourselves"), SOON);
    bob.wait("document.body.innerText.includes('among ourselves')", &json!(false), SOON);
    let members = cmd!(wire, "CHAT.MEMBERS", "lobby");
    assert!(!format!("{members:?}").contains("bob"), "{members:?}");
    // The room is open: the button of the banner joins again.
    bob.click("#banner-action");
    bob.wait(&format!("{TEXTS}.at(-1)"), &json!("among ourselves"), SOON);
    alice.wait(PEOPLE, &json!(["alice", "bob"]), SOON);
}

#[test]
fn a_direct_message_shows_as_a_badge_until_it_is_read() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    let bob = open(&browser, "bob", &r2);
    for page in [&alice, &bob] {
        page.wait(PEOPLE, &json!(["alice", "bob"]), SOON);
    }
    bob.type_line("#compose", "/pm alice psst");
    let badge = text_of(&format!("{DIRECT} .badge"));
    alice.wait(&badge, &json!("1"), SOON);
    bob.click(DIRECT);
    bob.wait(TEXTS, &json!(["psst"]), SOON);
    bob.type_line("#compose", "are you there?");
    alice.wait(&badge, &json!("2"), SOON);
    alice.wait(TEXTS, &json!([]), SOON);
    alice.look();
    alice.click(DIRECT);
    alice.wait(TEXTS, &json!(["psst", "are you there?"]), SOON);
    alice.wait(&badge, &json!(""), SOON);
    // It stays read, on another page too.
    let mut wire = redis.wire();
    let unread = |wire: &mut Wire| {
        let reply = cmd!(wire, "CHAT.UNREAD", "dm:alice,bob", "alice");
        reply.list()[0].list()[0].int()
    };
    eventually("the cursor to be stored", SOON, || match unread(&mut wire) {
        0 => Ok(()),
        some => Err(format!("{some} unread")),
    });
    let second = open(&browser, "alice", &r2);
    second.wait(&badge, &json!(""), SOON);
    // A reply reaches the other user's badge while another room is open.
    bob.click("#rooms .room[data-room=lobby]");
    alice.type_line("#compose", "yes");
    bob.wait(&badge, &json!("1"), SOON);
    // A mention in a room that is not open is marked as a mention.
    alice.click("#rooms .room[data-room=lobby]");
    bob.click(DIRECT);
    alice.type_line("#compose", "look here @bob");
    let mark = count_of("#rooms .room[data-room=lobby][data-mentions] .badge");
    bob.wait(&mark, &json!(1), SOON);
}

#[test]
fn a_user_in_another_tab_is_away_and_a_display_name_is_shown_to_others() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    let bob = open(&browser, "bob", &r2);
    let status = |user: &str| {
        format!("document.querySelector('#people .person[data-user={user}]')?.dataset.status")
    };
    // Only one of two pages in one window is visible.
    bob.look();
    for page in [&alice, &bob] {
        page.wait(&status("alice"), &json!("away"), LATER);
        page.wait(&status("bob"), &json!("online"), LATER);
    }
    alice.look();
    for page in [&alice, &bob] {
        page.wait(&status("alice"), &json!("online"), LATER);
        page.wait(&status("bob"), &json!("away"), LATER);
    }
    alice.type_line("#compose", "/nick Alice in Wonderland");
    alice.type_line("#compose", "who am I?");
    let author = text_of("#messages .message .author");
    for page in [&alice, &bob] {
        page.wait(&author, &json!("Alice in Wonderland"), LATER);
    }
    let carol = open(&browser, "carol", &r2);
    carol.wait(&author, &json!("Alice in Wonderland"), LATER);
    let name = cmd!(redis, "CHAT.ROOM", "@alice");
    assert_eq!(name.get("name").map(|name| name.text()), Some("Alice in Wonderland"));
}

/// The texts of the notices on the page.
const TOASTS: &str = "[...document.querySelectorAll('#toasts .toast')].map(it => it.textContent)";

/// Waits until a notice has these words.
#[track_caller]
fn is_told(page: &Page<'_>, words: &str) {
    let find = format!("{TOASTS}.some(text => text.includes({}))", json!(words));
    page.wait(&find, &json!(true), SOON);
}

#[test]
fn who_is_added_hears_of_it_and_nobody_loses_a_role_by_it() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    alice.wait(PEOPLE, &json!(["alice"]), SOON);
    let bob = open(&browser, "bob", &r2);
    alice.wait(PEOPLE, &json!(["alice", "bob"]), SOON);
    let mut wire = redis.wire();
    let role = |wire: &mut Wire, room: &str, user: &str| {
        let members = cmd!(wire, "CHAT.MEMBERS", room, "PREFIX", user);
        let rows = members.list()[1].list();
        rows.iter()
            .find(|row| row.list()[0].text() == user)
            .map(|row| row.list()[1].text().to_owned())
    };
    // A moderator stays one.
    alice.type_line("#compose", "/role bob moderator");
    is_told(&bob, "alice made you moderator of lobby");
    alice.type_line("#compose", "/invite bob");
    is_told(&alice, "bob is in this room already: moderator");
    assert_eq!(role(&mut wire, "lobby", "bob").as_deref(), Some("moderator"));
    // Who makes an owner is asked first.
    let asked = "document.querySelector('dialog h2')?.textContent ?? ''";
    for (answer, then) in [(".cancel", "moderator"), (".confirm", "owner")] {
        alice.type_line("#compose", "/role bob owner");
        alice.wait(asked, &json!("Make bob an owner?"), SOON);
        alice.click(&format!("dialog {answer}"));
        eventually("the role", SOON, || {
            let is = role(&mut wire, "lobby", "bob");
            if is.as_deref() == Some(then) { Ok(()) } else { Err(format!("{is:?}")) }
        });
    }

    // Who is added sees the room in the list, at once, and opens it by the notice.
    alice.type_line("#compose", "/join den");
    alice.wait(
        "document.querySelector('#room-title').textContent.includes('den')",
        &json!(true),
        SOON,
    );
    alice.type_line("#compose", "/private");
    alice.type_line("#compose", "among friends");
    alice.wait(TEXTS, &json!(["among friends"]), SOON);
    alice.type_line("#compose", "/invite @bob");
    is_told(&alice, "bob is a member of this room now");
    is_told(&bob, "alice added you to den");
    bob.wait(&count_of("#rooms .room[data-room=den]"), &json!(1), LATER);
    bob.click("#rooms .room[data-room=den]");
    bob.wait(TEXTS, &json!(["among friends"]), SOON);

    // A name that nobody has is asked about.
    alice.type_line("#compose", "/invite bbo");
    let asked = "document.querySelector('dialog h2')?.textContent.includes('bbo') ?? false";
    alice.wait(asked, &json!(true), SOON);
    alice.click("dialog .cancel");
    alice.wait(&count_of("dialog"), &json!(0), SOON);
    assert_eq!(role(&mut wire, "den", "bbo"), None);
    alice.type_line("#compose", "/invite carol");
    alice.click("dialog .confirm");
    is_told(&alice, "carol is a member of this room now");
    assert_eq!(role(&mut wire, "den", "carol").as_deref(), Some("member"));
}

#[test]
fn ones_own_message_is_scrolled_to_however_many_lines_it_has() {
    let redis = Redis::start();
    let [r1, _] = Relay::pair(&redis);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "alice").ok();
    for n in 0..60 {
        let id = cmd!(wire, "CHAT.SEND", "lobby", "bob", format!("line {n}")).text().to_owned();
        // She has read all of it: the page begins at the end.
        cmd!(wire, "CHAT.READ", "lobby", "alice", id).ok();
    }
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    // Nothing moves on a page that nobody sees.
    alice.look();
    alice.wait(&format!("{TEXTS}.at(-1)"), &json!("line 59"), SOON);
    let from_end = "(it => it.scrollHeight - it.scrollTop - it.clientHeight < 5)\
                    (document.querySelector('#scroller'))";
    alice.wait(from_end, &json!(true), SOON);
    for lines in [1, 2, 5, 12] {
        let text = (0..lines).map(|n| format!("mine {lines}.{n}")).collect::<Vec<_>>().join("\n");
        alice.type_line("#compose", &text);
        alice.wait(&format!("{TEXTS}.at(-1)"), &json!(text), SOON);
        alice.wait(&count_of("#messages .message[data-state=pending]"), &json!(0), SOON);
        alice.wait(from_end, &json!(true), SOON);
        // It stays there with what comes next.
        cmd!(wire, "CHAT.SEND", "lobby", "bob", format!("a\nb\nc {lines}")).ok();
        alice.wait(&format!("{TEXTS}.at(-1)"), &json!(format!("a\nb\nc {lines}")), SOON);
        alice.wait(from_end, &json!(true), SOON);
    }
}

#[test]
fn a_reader_comes_back_to_the_line_that_was_read_in_a_room() {
    let redis = Redis::start();
    let [r1, _] = Relay::pair(&redis);
    let mut wire = redis.wire();
    for number in 0..300 {
        // Lines of many heights, which nobody has seen.
        let text = format!("line {number}{}", " and more words".repeat(number % 40));
        cmd!(wire, "CHAT.SEND", "lobby", "bob", text).ok();
    }
    cmd!(wire, "CHAT.SEND", "den", "bob", "here").ok();
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    alice.look();
    alice.wait(&format!("{TEXTS}.at(-1).startsWith('line 299')"), &json!(true), SOON);
    // What is read stays where it is while earlier lines are loaded above it.
    let moved = "(async () => {
        const scroller = document.querySelector('#scroller');
        const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        const rows = () => [...document.querySelectorAll('#messages .message')];
        scroller.scrollTop = 0;
        const [first] = rows();
        const { top } = first.getBoundingClientRect();
        while (rows()[0] === first) await frame();
        for (let frames = 0; frames < 4; frames += 1) await frame();
        return Math.abs(first.getBoundingClientRect().top - top) < 2;
    })()";
    for _ in 0..3 {
        assert_eq!(alice.evaluate(moved), json!(true));
    }
    // The middle of what is loaded, and what is at the top of the view then.
    let at_top = "(() => {
        const { top } = document.querySelector('#scroller').getBoundingClientRect();
        const rows = [...document.querySelectorAll('#messages .message')];
        const row = rows.find((one) => one.getBoundingClientRect().bottom > top);
        return [row.dataset.id, Math.round(row.getBoundingClientRect().top - top)];
    })()";
    let frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => \
                  requestAnimationFrame(() => setTimeout(done)))))";
    alice.evaluate(
        "(it => { it.scrollTop = it.scrollHeight / 2; })(document.querySelector('#scroller'))",
    );
    alice.evaluate(frames);
    let before = alice.evaluate(at_top);
    for room in ["den", "lobby"] {
        alice.type_line("#compose", &format!("/join {room}"));
        let title = text_of("#room-title");
        alice.wait(&title, &json!(room), SOON);
    }
    alice.evaluate(frames);
    assert_eq!(alice.evaluate(at_top), before);
}

#[test]
fn notices_of_the_past_move_nothing_under_the_readers_eyes() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.FOLLOW", "@alice", "lobby").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "alice").ok();
    for number in 0..60 {
        let id =
            cmd!(wire, "CHAT.SEND", "lobby", "bob", format!("line {number}")).text().to_owned();
        if number == 20 {
            cmd!(wire, "CHAT.READ", "lobby", "alice", id).ok();
        }
        if number == 40 {
            for action in ["MUTE", "UNMUTE"].repeat(8) {
                cmd!(wire, "CHAT.MOD", "lobby", "*", action, "eve").ok();
            }
        }
    }
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/?user=alice&room=den", relay.address()));
    page.look();
    let badge = text_of("#rooms .room[data-room=lobby] .badge");
    page.wait(&badge, &json!("39"), LATER);
    page.click("#rooms .room[data-room=lobby]");
    page.wait(&count_of("#messages .notice"), &json!(16), LATER);
    let first =
        "document.querySelector('.unread-mark').parentElement.querySelector('.text').textContent";
    assert_eq!(page.evaluate(first), json!("line 21"));
    let away = "(() => {
        const middle = (one) => (({ top, bottom }) => (top + bottom) / 2)(one.getBoundingClientRect());
        const mark = document.querySelector('.unread-mark').parentElement;
        return Math.round(Math.abs(middle(mark) - middle(document.querySelector('#scroller'))));
    })()";
    page.evaluate("new Promise((done) => setTimeout(done, 300))");
    assert_eq!(page.evaluate(away), json!(0));
}

#[test]
fn a_change_that_is_refused_is_not_lost() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    page.type_line("#compose", "frist");
    page.wait(STORED, &json!(1), SOON);
    focus(&page, "frist");
    page.press("e");
    let field = "document.querySelector('#compose').value";
    page.wait(field, &json!("frist"), SOON);
    cmd!(redis, "CHAT.MOD", "lobby", "*", "MUTE", "alice").ok();
    page.wait("document.querySelector('#compose-note').hidden", &json!(false), SOON);
    page.type_line("#compose", "first");
    page.wait(&count_of("#toasts .error"), &json!(1), SOON);
    page.wait(field, &json!("first"), SOON);
    cmd!(redis, "CHAT.MOD", "lobby", "*", "UNMUTE", "alice").ok();
    page.wait("document.querySelector('#compose-note').hidden", &json!(true), SOON);
    page.type_line("#compose", "first");
    page.wait(TEXTS, &json!(["first"]), SOON);
}

#[test]
fn a_text_that_is_too_long_is_counted_refused_and_kept() {
    let redis = Redis::start();
    let [r1, _] = Relay::pair(&redis);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hello").ok();
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "max_text", 100).ok();
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    alice.wait(TEXTS, &json!(["hello"]), SOON);
    let count = text_of("#compose-count:not([hidden])");
    // The limit is known once the room has been asked what it is.
    let long = "é".repeat(52);
    alice.wait(&format!("(field => {{ field.focus(); field.value = {}; field.dispatchEvent(new InputEvent('input', {{bubbles: true}})); }})\
        (document.querySelector('#compose')) ?? {count}", json!(long)), &json!("4 bytes too long"), SOON);
    alice.press("Enter");
    is_told(&alice, "This is 4 bytes too long");
    assert_eq!(alice.evaluate("document.querySelector('#compose').value"), json!(long));
    alice.type_line("#compose", &"é".repeat(50));
    alice.wait(&format!("{TEXTS}.at(-1)"), &json!("é".repeat(50)), SOON);
    alice.wait(&count, &json!(null), SOON);
    // All commands, to be read in peace.
    alice.type_line("#compose", "/help");
    alice.wait(&format!("{} > 20", count_of("dialog li")), &json!(true), SOON);
    alice.click("dialog .confirm");
    alice.wait(&count_of("dialog"), &json!(0), SOON);
}
