use super::*;
use crate::config::test_config;

fn allowances(flags: &[&str]) -> Arc<Allowances> {
    Allowances::new(&test_config(flags))
}

fn enter(all: &Arc<Allowances>, user: &str, now: Instant) -> Option<Allowance> {
    all.enter(&Arc::from(user), now)
}

#[test]
fn operations_refill_evenly() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let all = allowances(&["--operations-per-second=10"]);
    let allowance = enter(&all, "alice", start).expect("it enters");
    for _ in 0..10 {
        assert_eq!(allowance.take(1, at(0)), Ok(()));
    }
    assert_eq!(allowance.take(1, at(0)), Err(100));
    assert_eq!(allowance.take(1, at(100)), Ok(()));
    assert_eq!(allowance.take(5, at(100)), Err(500));
    assert_eq!(allowance.take(40, at(1_100)), Ok(()), "dear ones need a full allowance");
    assert_eq!(allowance.take(1, at(1_100)), Err(3_100), "and are paid for afterwards");
    assert_eq!(allowance.take(1, at(4_200)), Ok(()));
}

/// Sends one by one at the same moment. Returns how many were accepted, and how many were only
/// refused.
fn send(allowance: &Allowance, bytes: usize, now: Instant) -> (usize, usize) {
    let (mut fine, mut warned) = (0, 0);
    loop {
        match allowance.count(1, bytes, now) {
            Verdict::Fine => fine += 1,
            Verdict::Slower(ms) => {
                assert!(ms > 0 && allowance.take(1, now).is_err(), "operations are refused");
                warned += 1;
            }
            Verdict::Flood => return (fine, warned),
        }
    }
}

#[test]
fn a_user_who_ignores_the_warning_is_a_flood_and_is_kept_out() {
    let rows: &[(&[&str], usize, (usize, usize), &str)] = &[
        (&["--frames-per-second=10"], 0, (46, 50), "small frames, after four for entering"),
        (&["--bytes-per-second=64kb"], 32 << 10, (10, 10), "large frames"),
        (&["--operations-per-second=1"], 0, (16, 20), "four frames for each operation"),
    ];
    for (flags, bytes, expected, why) in rows {
        let start = Instant::now();
        let all = allowances(flags);
        let allowance = enter(&all, "alice", start).expect("it enters");
        assert_eq!(send(&allowance, *bytes, start), *expected, "{why}");
        drop(allowance);
        assert!(enter(&all, "alice", start).is_none(), "{why}: coming back refills nothing");
        assert!(enter(&all, "bob", start).is_some(), "{why}: others may");
        assert!(enter(&all, "alice", start + KEPT_OUT).is_some(), "{why}: later");
    }
}

#[test]
fn all_sockets_of_a_user_share_one_allowance_also_one_after_the_other() {
    let start = Instant::now();
    let all = allowances(&["--operations-per-second=10", "--frames-per-second=1000"]);
    let (one, two) = (enter(&all, "alice", start), enter(&all, "alice", start));
    assert_eq!(one.as_ref().map(|one| one.take(10, start)), Some(Ok(())));
    assert_eq!(two.as_ref().map(|two| two.take(1, start)), Some(Err(100)));
    drop((one, two));
    let three = enter(&all, "alice", start).expect("it enters");
    assert_eq!(three.take(1, start), Err(100));
    let other = enter(&all, "bob", start).expect("it enters");
    assert_eq!(other.take(10, start), Ok(()));
}

#[test]
fn opening_sockets_again_and_again_is_a_flood_too() {
    let start = Instant::now();
    let all = allowances(&["--frames-per-second=10"]);
    let entered = (0..100).take_while(|_| enter(&all, "alice", start).is_some()).count();
    assert_eq!(entered, 25);
}

#[test]
fn a_user_who_waits_as_asked_is_never_closed() {
    let mut now = Instant::now();
    let all = allowances(&["--frames-per-second=10", "--bytes-per-second=1kb"]);
    let allowance = enter(&all, "alice", now).expect("it enters");
    for round in 0..10_000 {
        match allowance.count(1, round % 700, now) {
            Verdict::Fine => {}
            Verdict::Slower(ms) => now += Duration::from_millis(ms),
            Verdict::Flood => panic!("closed in round {round}"),
        }
    }
}

#[test]
fn as_many_are_remembered_as_came_lately_and_not_without_bound() {
    let start = Instant::now();
    let all = allowances(&[]);
    let stays = enter(&all, "stays", start).expect("it enters");
    for n in 0..REMEMBERED_MAX + 100 {
        enter(&all, &format!("u{n}"), start);
    }
    for _ in 0..3 {
        enter(&all, "comes again", start);
    }
    let known = |all: &Allowances| {
        let known = all.known.lock();
        (known.users.len(), known.gone.len())
    };
    let (users, gone) = known(&all);
    assert!(users <= REMEMBERED_MAX + 1 && gone <= REMEMBERED_MAX, "{users}, {gone}");
    all.tidy(Instant::now() + REMEMBERED);
    assert_eq!(known(&all), (1, 0));
    drop(stays);
    all.tidy(Instant::now() + REMEMBERED);
    assert_eq!(known(&all), (0, 0));
}
