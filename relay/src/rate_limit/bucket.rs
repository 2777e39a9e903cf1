//! The one rule of all rate limits here: a bucket that refills evenly.

use std::time::Instant;

/// How fast a bucket refills, and how much it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) most: f64,
}

/// What is left of an allowance. It starts full, and is full again after some time without use.
#[derive(Debug)]
pub(super) struct Bucket {
    left: f64,
    /// When that much was left.
    at: Instant,
}

/// Milliseconds until so much is refilled.
fn wait_ms(rate: Rate, missing: f64) -> u64 {
    (missing / rate.per_second * 1000.0).ceil() as u64
}

impl Bucket {
    pub(super) fn full(rate: Rate, now: Instant) -> Bucket {
        Bucket { left: rate.most, at: now }
    }

    /// What is left now. Negative: it was overdrawn by [`Bucket::spend`], or by an expensive
    /// [`Bucket::take`].
    pub(super) fn left(&self, rate: Rate, now: Instant) -> f64 {
        // Asked several times for one request.
        if now <= self.at {
            return self.left.min(rate.most);
        }
        let elapsed = now.duration_since(self.at).as_secs_f64();
        (self.left + elapsed * rate.per_second).min(rate.most)
    }

    /// Milliseconds until it holds `needed`.
    pub(super) fn wait_ms(&self, rate: Rate, needed: f64, now: Instant) -> u64 {
        let missing = needed - self.left(rate, now);
        if missing > 0.0 { wait_ms(rate, missing) } else { 0 }
    }

    /// Takes `cost` in any case. Returns what is left then.
    pub(super) fn spend(&mut self, rate: Rate, cost: f64, now: Instant) -> f64 {
        *self = Bucket { left: self.left(rate, now) - cost, at: self.at.max(now) };
        self.left
    }

    /// Takes `cost` if the bucket holds that much; the error is the milliseconds until it does. What
    /// costs more than the bucket can hold needs a full bucket and overdraws it.
    pub(super) fn take(&mut self, rate: Rate, cost: f64, now: Instant) -> Result<(), u64> {
        let (left, needed) = (self.left(rate, now), cost.min(rate.most));
        if left < needed {
            return Err(wait_ms(rate, needed - left));
        }
        *self = Bucket { left: left - cost, at: self.at.max(now) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_refills_evenly_and_holds_no_more_than_its_most() {
        let (rate, start) = (Rate { per_second: 2.0, most: 4.0 }, Instant::now());
        let mut bucket = Bucket::full(rate, start);
        let rows: &[(u64, f64, Result<(), u64>, &str)] = &[
            (0, 4.0, Ok(()), "it was full"),
            (0, 1.0, Err(500), "nothing is left"),
            (250, 1.0, Err(250), "half of it"),
            (500, 1.0, Ok(()), "a refused attempt costs nothing"),
            (60_000, 4.0, Ok(()), "full again"),
            (60_000, 1.0, Err(500), "and no fuller than that"),
            (62_000, 9.0, Ok(()), "more than it can hold, when it is full"),
            (62_000, 1.0, Err(3_000), "is paid for afterwards"),
            (0, 1.0, Err(3_000), "a clock that stands still refills nothing"),
        ];
        for (ms, cost, expected, why) in rows {
            let now = start + Duration::from_millis(*ms);
            assert_eq!(bucket.take(rate, *cost, now), *expected, "{why}");
        }
    }
}
