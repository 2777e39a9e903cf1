//! Answers that are kept for a short time, by the digest of what was asked.
//!
//! The number is bounded: one more drops the one that came first. No table is ever searched.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The digest of what was asked.
pub(super) type Key = [u8; 32];

/// The answers.
pub(super) struct KeptAnswers<T> {
    most: usize,
    answers: HashMap<Key, Kept<T>>,
    /// In the order in which they came. Some have been replaced or removed since.
    order: VecDeque<(Key, u64)>,
    next: u64,
}

struct Kept<T> {
    number: u64,
    until: Instant,
    answer: T,
}

impl<T: Clone> KeptAnswers<T> {
    /// None yet, and at most `most`.
    pub(super) fn new(most: usize) -> KeptAnswers<T> {
        KeptAnswers { most, answers: HashMap::new(), order: VecDeque::new(), next: 0 }
    }

    /// The answer, unless its time is over.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<T> {
        let kept = self.answers.get(key).filter(|kept| now < kept.until)?;
        Some(kept.answer.clone())
    }

    /// Keeps an answer for a time.
    pub(super) fn insert(&mut self, key: Key, answer: T, now: Instant, time: Duration) {
        let (number, until) = (self.next, now + time);
        self.next += 1;
        self.order.push_back((key, number));
        self.answers.insert(key, Kept { number, until, answer });
        while let Some((key, number)) = self.order.front() {
            let kept = self.answers.get(key).filter(|kept| kept.number == *number);
            match kept {
                Some(kept) if now < kept.until && self.order.len() <= self.most => break,
                Some(_) => {
                    self.answers.remove(key);
                }
                None => {}
            }
            self.order.pop_front();
        }
    }

    /// Drops an answer.
    pub(super) fn remove(&mut self, key: &Key) {
        self.answers.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    #[test]
    fn an_answer_is_kept_for_its_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut kept = KeptAnswers::new(10);
        kept.insert(key(1), "a", at(0), Duration::from_secs(1));
        assert_eq!(kept.get(&key(1), at(999)), Some("a"));
        assert_eq!(kept.get(&key(1), at(1000)), None);
        assert_eq!(kept.get(&key(2), at(0)), None);
        kept.insert(key(1), "b", at(500), Duration::from_secs(1));
        assert_eq!(kept.get(&key(1), at(1400)), Some("b"), "replaced");
        kept.remove(&key(1));
        assert_eq!(kept.get(&key(1), at(1400)), None);
    }

    #[test]
    fn there_are_never_too_many() {
        let start = Instant::now();
        let mut kept = KeptAnswers::new(100);
        let long = Duration::from_secs(1000);
        for n in 0..1000 {
            kept.insert(key(n), n, start, long);
            kept.insert(key(0), n, start, long);
            assert!(kept.answers.len() <= 100 && kept.order.len() <= 100, "{n}");
        }
        assert_eq!(kept.get(&key(999), start), Some(999));
        assert_eq!(kept.get(&key(900), start), None, "the first ones have gone");
        kept.insert(key(1), 1, start + long, long);
        assert_eq!((kept.answers.len(), kept.order.len()), (1, 1), "what has ended too");
    }
}
