//! Answers about users that are kept for a short time, and questions on their way.
//!
//! One question per user at a time, however many requests wait for it. The number of users is
//! bounded: beyond it each request asks for itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;

use crate::hub::standing::answer::{Refusal, Standing};

/// How long an answer counts, from when it was asked for. The promise is a second: the rest is for
/// the way of the commands that it allows.
pub(super) const KEPT: Duration = Duration::from_millis(900);
/// The most users.
const USERS_MAX: usize = 10_000;
/// If there are too many, old answers are looked for once in this time.
const TIDY_INTERVAL: Duration = Duration::from_millis(100);

/// An answer, or one that is on its way.
pub(super) type Question = Shared<BoxFuture<'static, Result<Standing, Refusal>>>;

/// The answers of the last second.
#[derive(Default)]
pub(in crate::hub) struct KeptAnswers(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    users: HashMap<Arc<str>, Asked>,
    tidied: Option<Instant>,
}

/// A question and when it was asked.
#[derive(Clone)]
pub(super) struct Asked {
    /// When: an answer holds nothing that happened later.
    pub(super) at: Instant,
    /// The answer to come.
    pub(super) question: Question,
}

impl KeptAnswers {
    /// The kept answer about this user, or the one that `ask` brings.
    pub(super) fn question(
        &self,
        user: &str,
        ask: impl FnOnce() -> BoxFuture<'static, Result<Standing, Refusal>>,
    ) -> Asked {
        let now = Instant::now();
        let mut answers = self.0.lock();
        if let Some(asked) = answers.users.get(user)
            && is_kept(asked, now)
        {
            return asked.clone();
        }
        let asked = Asked { at: now, question: ask().shared() };
        if answers.users.len() >= USERS_MAX
            && answers.tidied.is_none_or(|tidied| now.duration_since(tidied) >= TIDY_INTERVAL)
        {
            answers.tidy(now);
        }
        if answers.users.len() < USERS_MAX || answers.users.contains_key(user) {
            answers.users.insert(user.into(), asked.clone());
        }
        asked
    }

    /// Drops what is known about this user.
    pub(super) fn forget(&self, user: &str) {
        self.0.lock().users.remove(user);
    }

    /// Drops old answers.
    pub(in crate::hub) fn tidy(&self, now: Instant) {
        self.0.lock().tidy(now);
    }
}

impl Answers {
    fn tidy(&mut self, now: Instant) {
        self.users.retain(|_, asked| is_kept(asked, now));
        if self.users.is_empty() {
            self.users = HashMap::new();
        }
        self.tidied = Some(now);
    }
}

/// Whether this answer may still be used. A question without an answer is asked again.
fn is_kept(asked: &Asked, now: Instant) -> bool {
    now.saturating_duration_since(asked.at) < KEPT && !matches!(asked.question.peek(), Some(Err(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tokens_after: u64) -> impl FnOnce() -> BoxFuture<'static, Result<Standing, Refusal>> {
        move || async move { Ok(Standing { tokens_after, ..Standing::default() }) }.boxed()
    }

    #[tokio::test]
    async fn an_answer_is_shared_and_forgotten_and_a_failure_is_asked_again() {
        let kept = KeptAnswers::default();
        let away = kept.question("a", || async { Err(Refusal::Away) }.boxed());
        assert_eq!(away.question.await, Err(Refusal::Away));
        let (one, two) = (kept.question("a", answer(1)), kept.question("a", answer(2)));
        let tokens_after = async |asked: Asked| asked.question.await.map(|one| one.tokens_after);
        assert_eq!((tokens_after(one).await, tokens_after(two).await), (Ok(1), Ok(1)));
        assert_eq!(tokens_after(kept.question("b", answer(3))).await, Ok(3), "another user");
        kept.forget("a");
        assert_eq!(tokens_after(kept.question("a", answer(4))).await, Ok(4));
    }

    #[test]
    fn the_number_of_users_is_bounded_and_old_answers_go() {
        let kept = KeptAnswers::default();
        for n in 0..2 * USERS_MAX {
            kept.question(&n.to_string(), answer(1));
        }
        assert_eq!(kept.0.lock().users.len(), USERS_MAX);
        kept.tidy(Instant::now() + KEPT);
        assert_eq!(kept.0.lock().users.len(), 0);
    }
}
