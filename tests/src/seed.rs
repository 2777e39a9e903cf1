//! Repeatable randomness: every random scenario prints its seed and takes it back from the variable
//! `SEED`. And how much of it there is, and how long scenarios may take.

use rand::SeedableRng;
use rand::rngs::SmallRng;

/// A generator whose seed is printed in the scenario's output.
///
/// # Panics
/// If `SEED` is set and no unsigned integer.
pub fn seeded(scenario: &str) -> SmallRng {
    let seed = match std::env::var("SEED") {
        Ok(text) => text.parse().expect("SEED is an unsigned integer"),
        Err(_) => rand::random::<u32>().into(),
    };
    println!("{scenario}: SEED={seed} makes this run again");
    SmallRng::seed_from_u64(seed)
}

/// Whether scenarios run that take too long for `make test`: as the variable `LONG` says, which
/// `make soak` and `make compat` set.
pub fn is_long_run() -> bool {
    std::env::var("LONG").is_ok_and(|text| !text.is_empty())
}

/// A deadline of `normal`, longer if `SOAK` makes the work longer.
pub fn patience(normal: std::time::Duration) -> std::time::Duration {
    normal * u32::try_from(rounds(1)).unwrap_or(u32::MAX)
}

/// The number of repetitions of a random scenario: `normal` times the variable `SOAK` (default 1).
pub fn rounds(normal: usize) -> usize {
    let factor = std::env::var("SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    normal * factor
}
