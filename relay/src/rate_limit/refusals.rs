//! Requests without a valid credential: how many one address may make before its requests are
//! refused unverified.
//!
//! Verifying costs far more than asking to be verified. An address that has used its share is refused
//! until its bucket holds a request again. Only wrong credentials count, so those who log in are
//! never limited by their number. What is refused here does not count again: a client that goes on
//! is verified as often as the bucket refills.
//!
//! The caller passes the address that counts (one for each IPv6 /64) and the time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use parking_lot::Mutex;

use super::bucket::{Bucket, Rate};
use crate::config::MaxRefusals;

/// The most remembered addresses.
const REMEMBERED_MAX: usize = 50_000;

/// The recent refusals of all addresses.
#[derive(Debug)]
pub(crate) struct Refusals {
    /// `None`: no limit.
    rate: Option<Rate>,
    addresses: Mutex<HashMap<IpAddr, Bucket>>,
}

impl Refusals {
    /// No refusals yet. `None`: no limit.
    pub(crate) fn new(limit: Option<MaxRefusals>) -> Refusals {
        let rate = |limit: MaxRefusals| {
            let most = f64::from(limit.count);
            Rate { per_second: most / limit.within.as_secs_f64(), most }
        };
        Refusals { rate: limit.map(rate), addresses: Mutex::default() }
    }

    /// Whether a credential of this address is to be verified. Error: the milliseconds until then.
    pub(crate) fn check(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        let Some(rate) = self.rate else { return Ok(()) };
        let wait_ms = |bucket: &Bucket| bucket.wait_ms(rate, 1.0, now);
        match self.addresses.lock().get(&address).map_or(0, wait_ms) {
            0 => Ok(()),
            wait_ms => Err(wait_ms),
        }
    }

    /// Counts a wrong credential.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) {
        let Some(rate) = self.rate else { return };
        let mut addresses = self.addresses.lock();
        if addresses.len() >= REMEMBERED_MAX && !addresses.contains_key(&address) {
            // Any of them: the order of a map of Rust is random.
            let forgotten = addresses.keys().next().copied();
            forgotten.map(|forgotten| addresses.remove(&forgotten));
        }
        let bucket = addresses.entry(address).or_insert_with(|| Bucket::full(rate, now));
        // Many may be verified at once. They cost no more than one full bucket.
        if bucket.left(rate, now) > 1.0 - rate.most {
            bucket.spend(rate, 1.0, now);
        }
    }

    /// Forgets addresses whose buckets are full again.
    pub(crate) fn tidy(&self, now: Instant) {
        let Some(rate) = self.rate else { return };
        let mut addresses = self.addresses.lock();
        addresses.retain(|_, bucket| bucket.left(rate, now) < rate.most);
        if addresses.capacity() > 1024 && addresses.len() < addresses.capacity() / 8 {
            addresses.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMIT: MaxRefusals = MaxRefusals { count: 20, within: Duration::from_secs(10) };
    /// How long an address waits at the longest.
    const LONGEST: Duration = Duration::from_secs(20);

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn an_address_has_twenty_refusals_in_ten_seconds() {
        let refusals = Refusals::new(Some(LIMIT));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for n in 0..20 {
            assert_eq!(refusals.check(address(1), start), Ok(()), "{n}");
            refusals.count(address(1), start);
        }
        assert_eq!(refusals.check(address(1), start), Err(500));
        assert_eq!(refusals.check(address(1), at(250)), Err(250), "asking does not count");
        assert_eq!(refusals.check(address(1), at(500)), Ok(()), "one more each half second");
        refusals.count(address(1), at(500));
        assert_eq!(refusals.check(address(1), at(500)), Err(500));
        assert_eq!(refusals.check(address(2), start), Ok(()), "others are others");
        let full = (0..50).take_while(|_| {
            let may = refusals.check(address(1), at(60_000)).is_ok();
            refusals.count(address(1), at(60_000));
            may
        });
        assert_eq!(full.count(), 20, "full again, and no fuller");
    }

    #[test]
    fn what_was_verified_at_once_is_paid_back_in_bounded_time() {
        let refusals = Refusals::new(Some(LIMIT));
        let start = Instant::now();
        (0..100_000).for_each(|_| refusals.count(address(1), start));
        let wait_ms = refusals.check(address(1), start).expect_err("too many");
        assert!(wait_ms > 500 && u128::from(wait_ms) <= LONGEST.as_millis(), "{wait_ms}");
        assert_eq!(refusals.check(address(1), start + LONGEST), Ok(()));
    }

    #[test]
    fn the_number_of_remembered_addresses_is_bounded() {
        let refusals = Refusals::new(Some(LIMIT));
        let start = Instant::now();
        (0..REMEMBERED_MAX as u32 + 100).for_each(|n| refusals.count(address(n), start));
        assert_eq!(refusals.addresses.lock().len(), REMEMBERED_MAX);
        refusals.tidy(start + LONGEST);
        assert_eq!(refusals.addresses.lock().len(), 0);
        assert!(refusals.addresses.lock().capacity() < 1024);
    }

    #[test]
    fn without_a_limit_nothing_is_remembered() {
        let refusals = Refusals::new(None);
        let now = Instant::now();
        (0..1000).for_each(|_| refusals.count(address(1), now));
        assert_eq!(refusals.check(address(1), now), Ok(()));
        assert!(refusals.addresses.lock().is_empty());
    }
}
