//! The page with many messages: how long a key holds up its thread.

use chat_tests::args;
use chat_tests::clients::browser::{Browser, Page};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::LATER;
use serde_json::json;

use crate::load::pipe::{Batch, Pipe};
use crate::measuring::measurement::{Measurement, Report};
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;

/// Loads earlier messages until there are this many, from the top: for a reader at the end the page
/// keeps only the newest.
const LOAD: &str = "(async (most) => {
    const shown = () => document.querySelectorAll('#messages .message').length;
    const older = document.querySelector('#older');
    const scroller = document.querySelector('#scroller');
    while (shown() < most && !older.hidden) {
        scroller.scrollTop = 0;
        if (!older.disabled) older.click();
        await new Promise((done) => setTimeout(done, 10));
    }
    document.querySelector('#to-end').click();
    return shown();
})";

/// Milliseconds from a key until its frame is drawn: the median of some keys.
const KEY: &str = "(async () => {
    const field = document.querySelector('#compose');
    const times = [];
    for (let key = 0; key < 15; key += 1) {
        await new Promise(requestAnimationFrame);
        const begun = performance.now();
        field.value = 'a'.repeat(key);
        field.dispatchEvent(new InputEvent('input', { bubbles: true }));
        // After the frame: a message is a task of its own.
        await new Promise((done) => {
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = done;
            port2.postMessage(null);
        });
        document.body.getBoundingClientRect();
        times.push(performance.now() - begun);
    }
    return times.sort((a, b) => a - b)[7];
})()";

/// Milliseconds to lay the page out in another width.
const WIDTH: &str = "(() => {
    const scroller = document.querySelector('#scroller');
    const begun = performance.now();
    scroller.style.width = scroller.style.width === '600px' ? '610px' : '600px';
    scroller.getBoundingClientRect();
    return performance.now() - begun;
})()";

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let messages = sized(200, 5000, 5000);
    let redis = Redis::start();
    let text =
        |n: usize| format!("message {n}{}", " with some more words for a line".repeat(n % 5));
    let send = |n: usize| args!["CHAT.SEND", "lobby", format!("user-{}", n % 7), text(n)];
    Pipe::connect(&redis).run_all(&Batch::chunks(500, (0..messages).map(send)));
    // No reader scrolls as fast as this.
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "10000"]);
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/?user=alice&room=lobby", relay.address()));
    page.wait(
        &format!("{LOAD}({messages}).then((shown) => shown >= {messages})"),
        &json!(true),
        LATER,
    );
    for (what, script) in [("a key", KEY), ("another width", WIDTH)] {
        let pairs = (0..=sized(1, 9, 9))
            .map(|_| (timed(&page, script, "auto"), timed(&page, script, "visible")))
            .skip(1)
            .collect();
        let what = format!("page thread, {what}, {messages} messages");
        let measurement = Measurement::paired(what, "ms", &Pairs::of(pairs));
        report.add(measurement.against("all messages laid out"));
    }
}

/// The milliseconds that a script returns, with this `content-visibility` of messages.
fn timed(page: &Page<'_>, script: &str, visibility: &str) -> f64 {
    page.evaluate(&format!(
        "(() => {{
            const sheet = document.styleSheets[0];
            const last = sheet.cssRules.length - 1;
            if (sheet.cssRules[last].selectorText === '#messages > *') sheet.deleteRule(last);
            const rule = '#messages > * {{ content-visibility: {visibility} }}';
            sheet.insertRule(rule, sheet.cssRules.length);
        }})()"
    ));
    // What that changes is not measured.
    page.evaluate("document.body.getBoundingClientRect().width");
    page.evaluate(script).as_f64().expect("milliseconds")
}
