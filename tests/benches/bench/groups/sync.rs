//! CHAT.SYNC and CHAT.HISTORY compared with XRANGE and XREVRANGE over as many entries of the same
//! text.
//!
//! An event holds more than a stream's entry (author, type, previous event), and is returned ready
//! for clients. The stream of the budget holds texts only; a stream that also holds the authors is
//! listed beside it.

use chat_tests::args;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;

use crate::groups::send::TEXT;
use crate::load::pipe::Batch;
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::scale::{pairs, sized};
use crate::measuring::server::{Meter, Side};

const STORED: usize = 10_000;

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let sends: Vec<_> = vec![args!["CHAT.SEND", "room", "alice", TEXT]; 1000];
    let adds: Vec<_> = vec![args!["XADD", "stream", "*", "text", TEXT]; 1000];
    let named: Vec<_> = vec![args!["XADD", "named", "*", "user", "alice", "text", TEXT]; 1000];
    let (mut ids, mut entries) = (Vec::new(), Vec::new());
    for _ in 0..STORED / 1000 {
        wire.pipeline(&named);
        ids.extend(wire.pipeline(&sends).iter().map(|reply| reply.text().to_owned()));
        entries.extend(wire.pipeline(&adds).iter().map(|reply| reply.text().to_owned()));
    }
    for missed in [1, 10, 50, 100, 1000] {
        // As much work per half of a pair, whatever the size of a page.
        let depth = (200 / missed).clamp(1, 64);
        let mut meter = Meter::new(&redis, sized(2, (4000 / missed / depth).max(8), 100));
        let (id, entry) = (&ids[STORED - 1 - missed], &entries[STORED - 1 - missed]);
        let after = format!("({entry}");
        let recovered = cmd!(wire, "CHAT.SYNC", "room", id);
        assert_eq!(
            recovered.list()[2].list().len(),
            missed,
            "the number of events in the measurement"
        );

        let sync = [Batch::repeat(depth, args!["CHAT.SYNC", "room", id, "COUNT", missed])];
        let range = args!["XRANGE", "stream", after, "+", "COUNT", missed];
        let range = [Batch::repeat(depth, &range)];
        let found = meter.compare(
            pairs(),
            Side::new(&sync, &["chat.sync"], depth),
            Side::new(&range, &["xrange"], depth),
        );
        let what = format!("server time per sync, {missed} missed");
        let measurement = Measurement::paired(what, "us", &found).against("XRANGE");
        report.add(if missed == 100 {
            measurement.within(Budget::Ratio(0.5))
        } else {
            measurement
        });

        let history = [Batch::repeat(depth, args!["CHAT.HISTORY", "room", "COUNT", missed])];
        let newest = args!["XREVRANGE", "stream", "+", "-", "COUNT", missed];
        let newest = [Batch::repeat(depth, &newest)];
        let found = meter.compare(
            pairs(),
            Side::new(&history, &["chat.history"], depth),
            Side::new(&newest, &["xrevrange"], depth),
        );
        let what = format!("server time per page of {missed}");
        report.add(Measurement::paired(what, "us", &found).against("XREVRANGE"));
    }
    let page = [Batch::repeat(2, args!["CHAT.HISTORY", "room", "COUNT", 100])];
    let range = args!["XREVRANGE", "named", "+", "-", "COUNT", 100];
    let range = [Batch::repeat(2, &range)];
    let found = Meter::new(&redis, sized(2, 20, 50)).compare(
        pairs(),
        Side::new(&page, &["chat.history"], 2),
        Side::new(&range, &["xrevrange"], 2),
    );
    let measurement = Measurement::paired("server time per page of 100", "us", &found);
    report.add(measurement.against("XREVRANGE of user and text"));
}
